// Curves as SVG: both axes logarithmic, so that a cost that does not grow with its size is a level line.

import type { CurvePoint } from "./curve.ts";

const WIDTH = 560;
const HEIGHT = 240;
const LEFT = 60;
const RIGHT = 20;
const TOP = 40;
const BOTTOM = 40;

/** One curve: processor time of one unit over the size. */
export function svg(title: string, unit: string, points: readonly CurvePoint[]): string {
  const sizes = points.map(({ size }) => size);
  const costs = points.map(({ costUs }) => costUs);
  const x = scale(Math.min(...sizes), Math.max(...sizes), LEFT, WIDTH - RIGHT);
  // At least from a tenth to ten times the middle: noise must not look like a slope.
  const middle = Math.exp(costs.reduce((sum, cost) => sum + Math.log(cost), 0) / costs.length);
  const y = scale(Math.min(middle / 10, ...costs), Math.max(middle * 10, ...costs), HEIGHT - BOTTOM, TOP);
  const path = points.map(({ size, costUs }) => `${round(x(size))},${round(y(costUs))}`).join(" ");
  const marks = points.map(({ size, costUs }) => {
    const [cx, cy] = [round(x(size)), round(y(costUs))];
    const number = `<text x="${cx}" y="${cy - 8}" text-anchor="middle">${short(costUs)}</text>`;
    const below = `<text x="${cx}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${short(size)}</text>`;
    return `<circle cx="${cx}" cy="${cy}" r="3"/>${number}${below}`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="11">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<text x="${LEFT}" y="18" font-size="13">${title}: µs of processor time, one ${unit}</text>`,
    `<line x1="${LEFT}" y1="${HEIGHT - BOTTOM}" x2="${WIDTH - RIGHT}" y2="${HEIGHT - BOTTOM}" stroke="gray"/>`,
    `<polyline points="${path}" fill="none" stroke="steelblue" stroke-width="2"/>`,
    ...marks,
    "</svg>",
    "",
  ].join("\n");
}

function scale(min: number, max: number, from: number, to: number): (value: number) => number {
  const width = Math.log(max / min) || 1;
  return (value) => from + (Math.log(value / min) / width) * (to - from);
}

function short(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(2))}M`;
  if (value >= 1000) return `${Number((value / 1000).toPrecision(2))}k`;
  return String(Number(value.toPrecision(2)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
