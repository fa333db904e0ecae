// Where programs of the machine are looked for.

import { delimiter } from "node:path";

/** As in `PATH`: also where administrators' commands are, which are not on everybody's. */
export const searchPath: string = [process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"].join(
  delimiter,
);
