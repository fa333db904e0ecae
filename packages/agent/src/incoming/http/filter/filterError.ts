// Why a filter of a client cannot be used.

/** The message names the cause and, for patterns, the position; it is for the client that sent the filter. */
export class FilterError extends Error {}
