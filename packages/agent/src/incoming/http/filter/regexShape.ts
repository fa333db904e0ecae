// What the reference's engine finds out about each part of a pattern before it decides how to run it.

import { childrenOf, type Node } from "./regexSyntax.ts";

export interface Shape {
  /** Least number of characters that it consumes. */
  readonly minSize: number;
  /** Whether it always consumes as many. */
  readonly isFixedSize: boolean;
  /** Whether it needs the engine that backtracks. Word boundaries do there. */
  readonly isHard: boolean;
}

const ZERO_SIZE: Shape = { minSize: 0, isFixedSize: true, isHard: false };
const HARD_ZERO_SIZE: Shape = { minSize: 0, isFixedSize: true, isHard: true };
const ONE: Shape = { minSize: 1, isFixedSize: true, isHard: false };
const REFERENCE: Shape = { minSize: 0, isFixedSize: false, isHard: true };

/** `known` keeps what was found out. */
export function shapeOf(node: Node, known: Map<Node, Shape>): Shape {
  let shape = known.get(node);
  if (shape === undefined) {
    shape = find(
      node,
      childrenOf(node).map((child) => shapeOf(child, known)),
    );
    known.set(node, shape);
  }
  return shape;
}

function find(node: Node, inside: readonly Shape[]): Shape {
  const isHard = inside.some((child) => child.isHard);
  const minSizes = inside.map((child) => child.minSize);
  const areFixed = inside.every((child) => child.isFixedSize);
  switch (node.kind) {
    case "empty":
      return ZERO_SIZE;
    case "char":
    case "class":
    case "any":
      return ONE;
    case "assertion":
      return /^(?:textStart|textEnd|lineStart|lineEnd)$/.test(node.assertion) ? ZERO_SIZE : HARD_ZERO_SIZE;
    case "keepOut":
    case "searchStart":
    case "groupSet":
      return HARD_ZERO_SIZE;
    case "look":
      return HARD_ZERO_SIZE;
    case "backReference":
      return REFERENCE;
    case "group":
      return inside[0]!;
    case "atomic":
      return { ...inside[0]!, isHard: true };
    case "concat":
      return { minSize: minSizes.reduce((sum, size) => sum + size, 0), isFixedSize: areFixed, isHard };
    case "alternation":
      return alternation(inside, isHard);
    case "repeat":
      return { minSize: minSizes[0]! * node.min, isFixedSize: areFixed && node.min === node.max, isHard };
    case "conditional": {
      const [condition, whenTrue, whenFalse] = minSizes as [number, number, number];
      const isFixedSize = areFixed && condition + whenTrue === whenFalse;
      return { minSize: condition + Math.min(whenTrue, whenFalse), isFixedSize, isHard: true };
    }
  }
}

/** Each option is compared with the least size so far, as the reference does. */
function alternation(options: readonly Shape[], isHard: boolean): Shape {
  let { minSize, isFixedSize } = options[0]!;
  for (const option of options.slice(1)) {
    isFixedSize &&= option.isFixedSize && minSize === option.minSize;
    minSize = Math.min(minSize, option.minSize);
  }
  return { minSize, isFixedSize, isHard };
}
