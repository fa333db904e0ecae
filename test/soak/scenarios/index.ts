// All scenarios of the soak.

import type { Scenario } from "../scenario.ts";
import { badClients } from "./badClients.ts";
import { http } from "./http.ts";
import { http2 } from "./http2.ts";
import { raw } from "./raw.ts";
import { target } from "./target.ts";

export const scenarios: readonly Scenario[] = [...http, ...raw, ...target, ...http2, ...badClients];
