// This agent and the reference in the ephemeral mode; see README.md.

import { compareMode } from "./compareMode.ts";

compareMode("ephemeral");
