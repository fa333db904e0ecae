// What commands do when they are told no more than their name: the words of the command line that the config file stands for.

import type { Command } from "commander";
import { placeAfter } from "../commandPlace.ts";
import type { Config, TrafficSection } from "./config.ts";

const filterKeys = ["header", "path", "method", "any-of"] as const;
/** All options of which the config file has filters; one on the command line replaces those of the file. */
const filterOptions: ReadonlySet<string> = new Set([...filterKeys, "json-body", "jq", "all-of"].map((key) => `--${key}`));

/**
 * The arguments with those of the config file, where the command has a section there and was given nothing to do.
 * @throws UsageError when the file is wrong.
 */
export async function withConfigDefaults(program: Command, args: readonly string[]): Promise<readonly string[]> {
  const { command, used, argumentCount } = placeAfter(program, args);
  const name = command.name();
  if ((name !== "steal" && name !== "mirror" && name !== "forward") || argumentCount > 0) return args;
  if (args.includes("--help") || args.includes("-h")) return args;
  // Loaded only where it is needed: it takes as long as all the rest of a command's start.
  const { findConfig } = await import("./configFile.ts");
  const config = await findConfig(valueAfter(args, "--config"));
  const words = wordsOf(name, config ?? {}, new Set([...used].map(({ long }) => long ?? "")));
  const at = args.indexOf(name) + 1;
  return [...args.slice(0, at), ...words, ...args.slice(at)];
}

function wordsOf(name: "steal" | "mirror" | "forward", config: Config, used: ReadonlySet<string>): readonly string[] {
  if (name === "forward") return config.forward ?? [];
  const section = config[name];
  return section === undefined ? [] : trafficWords(section, used);
}

function trafficWords(section: TrafficSection, used: ReadonlySet<string>): readonly string[] {
  const words = section.ports.map(String);
  if (section.to !== undefined && !used.has("--to")) words.push(`--to=${section.to}`);
  if ([...used].some((option) => filterOptions.has(option))) return words;
  for (const key of ["header", "path", "method"] as const) words.push(...[section[key] ?? []].flat().map((value) => `--${key}=${value}`));
  if (section["any-of"] === true) words.push("--any-of");
  return words;
}

function valueAfter(args: readonly string[], option: string): string | undefined {
  const index = args.findIndex((word) => word === option || word.startsWith(`${option}=`));
  const word = args[index];
  return word === option ? args[index + 1] : word?.slice(option.length + 1);
}
