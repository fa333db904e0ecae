// This agent and the reference in the targetless mode; see README.md.

import { compareMode } from "./compareMode.ts";

compareMode("targetless");
