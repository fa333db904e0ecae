// What a word of the command line could become, told from the program's own commands, options and choices. The shells ask for it with each Tab
// (`scripts.ts`), so nothing here takes long or fails.

import type { Argument, Command, Option } from "commander";
import { dockerContainerNames } from "../agent/local/dockerContainer.ts";
import { namespaceNames } from "../agent/local/targetProcess.ts";
import { optionNamed, type Place, placeAfter, takesValue } from "../commandPlace.ts";

/** The longest that Tab waits for names of others, in ms. */
const NAMES_MAX_MS = 500;

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** What the shell completes by itself: names of files, of programs, or nothing. */
  readonly others: "files" | "programs" | "none";
}

export interface Candidate {
  readonly value: string;
  readonly description: string;
}

const nothing: Completion = { candidates: [], others: "none" };

/** @param words what follows the program's name, up to the cursor; the last one is completed, and may be empty. */
export async function completeWords(program: Command, words: readonly string[]): Promise<Completion> {
  const current = words.at(-1) ?? "";
  const place = placeAfter(program, words.slice(0, -1));
  if (place.awaiting !== null) return startingWith(current, await valuesOf(place.awaiting));
  const equals = current.indexOf("=");
  if (!place.isOnlyArguments && current.startsWith("--") && equals > 0) {
    const option = optionNamed(place.command, current.slice(0, equals));
    if (option === undefined || !takesValue(option)) return nothing;
    const { candidates, others } = await valuesOf(option);
    const attached = candidates.map(({ value, description }) => ({ value: `${current.slice(0, equals + 1)}${value}`, description }));
    return startingWith(current, { candidates: attached, others });
  }
  if (!place.isOnlyArguments && current.startsWith("-")) return startingWith(current, optionsOf(place));
  return startingWith(current, place.command.commands.length > 0 ? commandsOf(place.command) : argumentValues(place));
}

function optionsOf({ command, used }: Place): Completion {
  const options = command.createHelp().visibleOptions(command);
  const candidates = options
    .filter((option) => option.variadic || !used.has(option))
    .map(({ long, short, description }) => ({ value: long ?? short ?? "", description }));
  return { candidates, others: "none" };
}

function commandsOf(command: Command): Completion {
  const commands = command.createHelp().visibleCommands(command);
  return { candidates: commands.map((one) => ({ value: one.name(), description: one.summary() || one.description() })), others: "none" };
}

function argumentValues({ command, argumentCount }: Place): Completion {
  const known: readonly Argument[] = command.registeredArguments;
  const last = known.at(-1);
  const argument = known[argumentCount] ?? (last?.variadic === true ? last : undefined);
  if (argument === undefined) return nothing;
  const choices = argument.argChoices ?? [];
  return { candidates: choices.map((value) => ({ value, description: "" })), others: othersFor(argument.name()) };
}

async function valuesOf(option: Option): Promise<Completion> {
  const names = option.argChoices ?? (await namesFor(option.long ?? ""));
  return { candidates: names.map((value) => ({ value, description: "" })), others: othersFor(/<([^>]*)>/.exec(option.flags)?.[1] ?? "") };
}

/** Names that only the machine knows. */
async function namesFor(option: string): Promise<readonly string[]> {
  try {
    if (option === "--netns") return await namespaceNames();
    if (option === "--docker") return await dockerContainerNames(AbortSignal.timeout(NAMES_MAX_MS));
  } catch {
    // Nobody to ask.
  }
  return [];
}

/** By what help calls it. */
function othersFor(placeholder: string): Completion["others"] {
  if (/file|folder|directory/.test(placeholder)) return "files";
  return /^(command|program)$/.test(placeholder) ? "programs" : "none";
}

function startingWith(current: string, { candidates, others }: Completion): Completion {
  return { candidates: candidates.filter(({ value }) => value.startsWith(current)), others };
}
