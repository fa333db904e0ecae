// A port of this machine that leads to a service only the pod can reach.

import { forwardTcp } from "../../commands/forward/forwardTcp.ts";
import { formatHostPort } from "../../hostPort.ts";
import { TrafficReport } from "../../proxy/trafficReport.ts";
import { expect } from "../expect.ts";
import { PAYMENTS_PORT } from "../shopSettings.ts";
import { type Visit, visit } from "../visit.ts";
import type { DemoStep } from "./step.ts";

const asked: Visit = { path: "/status" };

export const forwardStep: DemoStep = {
  name: "forward",
  title: "A port of your laptop leads to payments, which only the pod can reach",
  show: async ({ session, agent, narrator, output, signal }) => {
    narrator.command(`forward 0:payments:${PAYMENTS_PORT}`, agent);
    await using port = await forwardTcp(
      { host: "127.0.0.1", port: 0 },
      { kind: "host", address: { host: "payments", port: PAYMENTS_PORT } },
      { source: session, report: new TrafficReport({ json: false, isDetail: true }, output), stopped: signal },
    );
    narrator.fact("listens at", formatHostPort(port.address));
    const answer = await visit(port.address, asked, signal);
    narrator.visit(asked, answer, "cyan");
    expect(answer.answeredBy === "payments", `an answer of payments, not of ${answer.answeredBy}`);
  },
};
