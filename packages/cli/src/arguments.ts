// Turns what a user typed into values: the reason why an argument is wrong becomes part of the usage error.

import { InvalidArgumentError } from "commander";

/** For `argument` and `option` of a command: `parse` throws an Error that says what is wrong. */
export function argument<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
    }
  };
}
