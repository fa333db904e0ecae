// HTTP of the target: users whom nobody steals from, sessions with filters of all kinds that take some requests, and sessions that get copies.

import { request as httpRequest } from "node:http";
import type { HttpFilter } from "@understudy/protocol";
import { textResponse } from "@understudy/client";
import { get, podIpv4, podIpv6 } from "../../pod/pod.ts";
import { targetPorts } from "../../pod/ports.ts";
import { answerAs, as, wantedBy } from "../../pod/stealing.ts";
import { expect, inSession, type Scenario } from "../scenario.ts";

const REQUESTS = 10;

const isTargets = (body: string): boolean => body.includes('"by":"target"');

/** Users of the target, none of whom may notice anything. */
const users: Scenario = {
  name: "users of the target",
  loops: 2,
  restMs: 10,
  turn: async () => {
    for (const host of [podIpv4, podIpv6]) {
      const { status, body } = await get("/steady", { host });
      expect(status === 200 && isTargets(body), `a user of the target got ${status} ${body}`);
    }
  },
};

const stealing: Scenario = {
  name: "stealing with a filter",
  loops: 3,
  restMs: 20,
  turn: (world, number) =>
    inSession(world, async (session) => {
      const user = `user-${number}`;
      const subscription = await session.steal(targetPorts.http, { filter: wantedBy(user), onRequest: answerAs(user) });
      const answers = await Promise.all(Array.from({ length: REQUESTS }, () => get("/stolen", { headers: as(user) })));
      expect(
        answers.every(({ body }) => body === `${user} /stolen\n`),
        `a request of ${user} got ${answers.find(({ body }) => body !== `${user} /stolen\n`)?.body}`,
      );
      expect(isTargets((await get("/passed", { headers: as("somebody") })).body), "a request that no filter wants was not the target's");
      // Every other turn leaves the end of the subscription to the end of the session.
      if (number % 2 === 0) await subscription.close();
    }),
};

/** A filter of each kind; `number` makes it different from all others. */
function filters(number: number): readonly HttpFilter[] {
  const header = wantedBy(`kind-${number}`);
  const path: HttpFilter = { kind: "path", value: `^/kind-${number}$` };
  return [
    header,
    path,
    { kind: "composite", value: { all: true, filters: [header, path, { kind: "method", value: { kind: "post" } }] } },
    { kind: "composite", value: { all: false, filters: [path, { kind: "header", value: `^x-user:\\s*(kind|none)-${number}$` }] } },
    { kind: "body", value: { kind: "json", value: { query: "$.user", matches: `^kind-${number}$` } } },
    { kind: "header", value: `^x-user: (?=kind)kind-${number}$` },
  ];
}

const filterKinds: Scenario = {
  name: "filters of all kinds",
  loops: 2,
  restMs: 50,
  turn: (world, number) =>
    inSession(world, async (session) => {
      const all = filters(number);
      const filter = all[number % all.length]!;
      await session.steal(targetPorts.http, { filter, onRequest: () => textResponse(200, "client") });
      const body = await postAs(`kind-${number}`, `/kind-${number}`);
      expect(body === "client\n", `a filter of kind ${filter.kind} let its request pass: ${JSON.stringify(filter)}`);
    }),
};

/** A POST that filters of every kind can want. */
function postAs(user: string, path: string): Promise<string> {
  const sent = JSON.stringify({ user });
  return new Promise((resolve, reject) => {
    const headers = { ...as(user), "content-type": "application/json", "content-length": sent.length };
    const request = httpRequest({ host: podIpv4, port: targetPorts.http, path, method: "POST", headers, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve(body)).on("error", reject);
    });
    request.on("error", reject).end(sent);
  });
}

const mirroring: Scenario = {
  name: "mirroring",
  loops: 2,
  restMs: 30,
  turn: (world, number) =>
    inSession(world, async (session) => {
      const copied = Promise.withResolvers<void>();
      const path = `/mirrored-${number}`;
      await session.mirror(targetPorts.http, {
        onRequest: ({ uri }) => {
          if (uri.endsWith(path)) copied.resolve();
        },
      });
      expect(isTargets((await get(path)).body), "a mirrored request was not answered by the target");
      await copied.promise;
    }),
};

export const http: readonly Scenario[] = [users, stealing, filterKinds, mirroring];
