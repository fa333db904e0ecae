// HTTP of a stolen port, under load by wrk: requests that no filter wants, and such that a client answers.

import { headersFromRaw } from "@understudy/client";
import { as, wantedBy } from "@understudy/test";
import { benchPorts } from "../ports.ts";
import type { Work } from "../work.ts";
import { wrkFigures, wrkLoad } from "../wrk.ts";

const body = Buffer.from("client\n");
const answer = { status: 200, headers: headersFromRaw(["content-type", "text/plain", "content-length", String(body.length)]), body };

const http = (variant: "passed" | "stolen", connections: number): Work => ({
  name: `http/${variant}-${connections}`,
  about: `HTTP/1 requests on ${connections} connections of a port with a filter, ${variant}`,
  needs: ["wrk"],
  measure: async (on) => {
    const session = await on.session();
    let stolen = 0;
    await session.steal(benchPorts.http, {
      filter: wantedBy("me"),
      onRequest: () => {
        stolen += 1;
        return answer;
      },
    });
    const result = await wrkLoad(on, { connections, headers: as(variant === "stolen" ? "me" : "somebody") });
    if (stolen > 0 !== (variant === "stolen")) throw new Error(`the client was given ${stolen} requests`);
    return wrkFigures(`HTTP ${variant}, ${connections} connection${connections === 1 ? "" : "s"}`, result);
  },
});

export const httpWorks: readonly Work[] = (["passed", "stolen"] as const).flatMap((variant) => [http(variant, 1), http(variant, 32)]);
