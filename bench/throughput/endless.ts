// Bodies that last longer than any measurement.

/** The header of one. */
export const endlessBody = `content-length: ${10 ** 14}`;
