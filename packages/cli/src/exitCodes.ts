// Exit codes that mean the same in every command.

/** The agent cannot be reached or refuses, or the work failed. */
export const EXIT_FAILED = 1;
/** Wrong arguments or config file. */
export const EXIT_USAGE = 2;
/** A short command was interrupted. */
export const EXIT_INTERRUPTED = 130;
