// Reads the log or a stack trace of the agent on standard input and prints it with the places in its bundle replaced by those in the sources. It needs the bundle of
// the same build, made by `make build` from the same commit.

import { readFileSync } from "node:fs";
import { SourceMap, type SourceMapPayload } from "node:module";
import { relative, resolve } from "node:path";
import { stdin, stdout } from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const bundle = fileURLToPath(new URL("../../packages/agent/dist/bundle/", import.meta.url));
const maps = new Map<string, SourceMap | null>();

/** The map of one file of the bundle; null where there is none. */
function mapOf(file: string): SourceMap | null {
  let map = maps.get(file);
  if (map === undefined) {
    try {
      map = new SourceMap(JSON.parse(readFileSync(`${bundle}${file}.map`, "utf8")) as SourceMapPayload);
    } catch {
      map = null;
    }
    maps.set(file, map);
  }
  return map;
}

function inSources(place: string, file: string, line: string, column: string): string {
  const origin = mapOf(file)?.findOrigin(Number(line), Number(column));
  if (origin === undefined || !("fileName" in origin)) return place;
  return `${relative(resolve("."), resolve(bundle, origin.fileName))}:${origin.lineNumber}:${origin.columnNumber}`;
}

stdout.write((await text(stdin)).replaceAll(/(?:file:\/\/)?[^\s()"]*\/bundle\/([\w-]+\.js):(\d+):(\d+)/g, inSources));
