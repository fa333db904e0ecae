// What a user can only mend by another command line or config file: the command ends with 2.

/** Its message is one sentence, or a list with one problem a line. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
