// What keeps an agent from starting.

/** A failure to start that the admin can act on; it has been logged. */
export class StartError extends Error {
  override readonly name = "StartError";
}
