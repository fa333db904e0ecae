// The tables of messages in docs/wire.md, made from the codecs themselves.
//
// Usage: node --conditions=source test/docs/wireTables.ts   puts fresh tables into docs/wire.md

import { readFile, writeFile } from "node:fs/promises";
import * as protocol from "@understudy/protocol";

type AnyCodec = protocol.AnyCodec;
type Shape = protocol.Shape;

const BEGIN = "<!-- tables: made by test/docs/wireTables.ts, do not edit -->";
const END = "<!-- end of tables -->";

export const wirePage = new URL("../../docs/wire.md", import.meta.url);

/** The page with its tables made anew. */
export function withTables(page: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`the page has no ${BEGIN} … ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${wireTables()}\n${page.slice(end)}`;
}

/** Markdown of every variant and structure that the two kinds of messages lead to. */
function wireTables(): string {
  const found = new Found();
  found.visit(protocol.ClientMessage);
  found.visit(protocol.DaemonMessage);
  const sections: string[] = [];
  for (const shape of found.choices.values()) {
    sections.push(`### ${shape.name}\n`);
    if (shape.kind === "enumeration") {
      sections.push(`${shape.values.map((value, i) => `${i} \`${value}\``).join(", ")}\n`);
      continue;
    }
    sections.push("| n | variant | payload | since |", "|---|---|---|---|");
    for (const [i, { kind, payload, since }] of shape.variants.entries()) {
      const types = payload.map((codec) => found.typeOf(codec)).join(", ");
      sections.push(`| ${i} | \`${kind}\` | ${types === "" ? "" : `\`${types}\``} | ${since ?? ""} |`);
    }
    sections.push("");
  }
  sections.push("### Structures\n", "| structure | members in order |", "|---|---|");
  for (const [name, members] of [...found.structures].sort(([a], [b]) => (a < b ? -1 : 1)))
    sections.push(`| \`${name}\` | \`${members}\` |`);
  return `${sections.join("\n")}\n`;
}

/** What the codecs lead to, in the order in which they are met. */
class Found {
  readonly choices = new Map<string, Extract<Shape, { kind: "union" | "enumeration" }>>();
  /** Structures with a name of their own. */
  readonly structures = new Map<string, string>();
  readonly #names = structureNames();

  visit({ shape }: AnyCodec): void {
    if (shape.kind === "union" || shape.kind === "enumeration") {
      if (this.choices.has(shape.name)) return;
      this.choices.set(shape.name, shape);
    }
    for (const codec of innerOf(shape)) this.visit(codec);
  }

  /** How a type is written in the tables. Structures that are known by several names are written out. */
  typeOf(codec: AnyCodec): string {
    const { shape } = codec;
    switch (shape.kind) {
      case "integer":
        return shape.type;
      case "text":
        return shape.grammar ?? "text";
      case "option":
        return `${this.typeOf(shape.item())}?`;
      case "list":
      case "set":
        return `${shape.kind}<${this.typeOf(shape.item())}>`;
      case "array":
        return `${this.typeOf(shape.item())} × ${shape.length}`;
      case "lazy":
        return this.typeOf(shape.item());
      case "map":
        return `map<${this.typeOf(shape.key)}, ${this.typeOf(shape.value)}>`;
      case "result":
        return `Result<${this.typeOf(shape.ok)}, ${this.typeOf(shape.err)}>`;
      case "enumeration":
      case "union":
        return shape.name;
      case "struct": {
        const members =
          shape.fields.length === 0 ? "{}" : `{ ${shape.fields.map(([name, field]) => `${name}: ${this.typeOf(field)}`).join(", ")} }`;
        const name = this.#names.get(codec);
        if (name === undefined) return members;
        this.structures.set(name, members);
        return name;
      }
      default:
        return shape.kind;
    }
  }
}

/** Exported structures by codec; without those that several types share. */
function structureNames(): ReadonlyMap<AnyCodec, string> {
  const names = new Map<AnyCodec, string>();
  const shared = new Set<AnyCodec>();
  for (const [name, value] of Object.entries<unknown>(protocol)) {
    if (!isStructure(value)) continue;
    if (names.has(value)) shared.add(value);
    names.set(value, name);
  }
  for (const codec of shared) names.delete(codec);
  return names;
}

function isStructure(value: unknown): value is AnyCodec {
  return typeof value === "object" && value !== null && "shape" in value && (value as AnyCodec).shape.kind === "struct";
}

function innerOf(shape: Shape): readonly AnyCodec[] {
  switch (shape.kind) {
    case "option":
    case "list":
    case "set":
    case "lazy":
    case "array":
      return [shape.item()];
    case "map":
      return [shape.key, shape.value];
    case "result":
      return [shape.ok, shape.err];
    case "struct":
      return shape.fields.map(([, codec]) => codec);
    case "union":
      return shape.variants.flatMap(({ payload }) => payload);
    default:
      return [];
  }
}

if (import.meta.main) await writeFile(wirePage, withTables(await readFile(wirePage, "utf8")));
