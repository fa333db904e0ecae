// All works, in the order in which they are done.

import type { Work } from "../work.ts";
import { bulks } from "./bulk.ts";
import { connects } from "./connects.ts";
import { fairnessWorks } from "./fairness.ts";
import { files } from "./files.ts";
import { httpWorks } from "./http.ts";
import { largeDirectory } from "./largeDirectory.ts";
import { largeFiles } from "./largeFiles.ts";
import { memory } from "./memory.ts";
import { mirror } from "./mirror.ts";
import { mixed } from "./mixed.ts";
import { names } from "./names.ts";
import { pings } from "./ping.ts";
import { rawWorks } from "./raw.ts";
import { streamRoundTrips } from "./roundTrips.ts";
import { startUp } from "./startUp.ts";
import { udp } from "./udp.ts";

export const works: readonly Work[] = [
  ...startUp,
  ...pings,
  ...streamRoundTrips,
  ...bulks,
  ...connects,
  ...udp,
  ...files,
  ...names,
  ...httpWorks,
  ...rawWorks,
  ...mirror,
  ...fairnessWorks,
  ...mixed,
  ...largeFiles,
  ...largeDirectory,
  ...memory,
];
