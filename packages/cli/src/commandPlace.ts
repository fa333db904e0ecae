// What the words of a command line mean before all of them are there: which command, which options, how many arguments. Nothing is judged here; commander does.

import type { Command, Option } from "commander";

/** What the words so far mean. */
export interface Place {
  readonly command: Command;
  /** The option whose value comes next. */
  readonly awaiting: Option | null;
  readonly used: ReadonlySet<Option>;
  /** How many arguments there are already. */
  readonly argumentCount: number;
  /** After `--`, or among the words of another program's command line. */
  readonly isOnlyArguments: boolean;
}

/** @param words what follows the name of the program. */
export function placeAfter(program: Command, words: readonly string[]): Place {
  let command = program;
  let awaiting: Option | null = null;
  let used = new Set<Option>();
  let argumentCount = 0;
  let isOnlyArguments = false;
  for (const word of words) {
    if (awaiting !== null) {
      awaiting = null;
    } else if (!isOnlyArguments && word === "--") {
      isOnlyArguments = true;
    } else if (!isOnlyArguments && word.startsWith("-") && word !== "-") {
      const option = optionNamed(command, word.split("=")[0] ?? "");
      if (option === undefined) continue;
      used.add(option);
      if (takesValue(option) && !word.includes("=")) awaiting = option;
    } else {
      const inner = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
      if (inner !== undefined && argumentCount === 0) {
        command = inner;
        used = new Set();
      } else {
        argumentCount += 1;
      }
    }
  }
  return { command, awaiting, used, argumentCount, isOnlyArguments };
}

/** The option of a command by its long or short name. */
export function optionNamed(command: Command, name: string): Option | undefined {
  return command.options.find(({ long, short }) => long === name || short === name);
}

export function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}
