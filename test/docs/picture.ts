// The README's picture: the first example of docs/commands.md as a terminal shows it.

export const pictureFile = new URL("../../docs/public/steal.svg", import.meta.url);

const LINE_PX = 20;
const CHARACTER_PX = 7.8;
const MARGIN_PX = 16;

/** The picture as SVG. `page` is the text of docs/commands.md. */
export function picture(page: string): string {
  const lines = (/```console\n([\s\S]*?)```/.exec(page)?.[1] ?? "").trimEnd().split("\n");
  const width = Math.ceil(Math.max(...lines.map((line) => line.length)) * CHARACTER_PX) + 2 * MARGIN_PX;
  const height = lines.length * LINE_PX + 2 * MARGIN_PX;
  const texts = lines.map((line, i) => {
    const colour = line.startsWith("$ ") ? "#8be9fd" : "#f8f8f2";
    return `<text x="${MARGIN_PX}" y="${MARGIN_PX + (i + 0.75) * LINE_PX}" fill="${colour}" xml:space="preserve">${escaped(line)}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13">`,
    `<rect width="100%" height="100%" rx="8" fill="#282a36"/>`,
    ...texts,
    "</svg>\n",
  ].join("\n");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
