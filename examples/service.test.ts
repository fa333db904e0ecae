// An integration test of a service in its real surroundings: the code under test runs here, in the test's process; requests reach it through the service's own address, past whatever
// stands before it; and it uses the settings and the names that the service has there.
//
//   AGENT=HOST:PORT SERVICE=http://HOST:PORT node --test service.test.ts

import assert from "node:assert/strict";
import { test } from "node:test";
import { connectAgent, type Session } from "@understudy/client";

const { AGENT = "", SERVICE = "" } = process.env;
const skip = AGENT === "" || SERVICE === "" ? "needs AGENT and SERVICE" : false;

/** The code under test: greets in the colour that it is told by its environment. */
function greet(request: Request, environment: ReadonlyMap<string, string>): Response {
  const name = new URL(request.url).searchParams.get("name") ?? "nobody";
  return Response.json({ greeting: `hello ${name}`, place: environment.get("UNDERSTUDY_PLACE") ?? "unknown" });
}

async function connect(): Promise<Session> {
  const { hostname, port } = new URL(`tcp://${AGENT}`);
  return await connectAgent({ host: hostname, port: Number(port) });
}

test("the new greeting, asked for at the service's address", { skip }, async () => {
  await using session = await connect();
  const environment = await session.env();
  const { port } = new URL(SERVICE);
  await using _stolen = await session.steal(Number(port === "" ? 80 : port), { kind: "header", value: "^x-test: greeting$" }, (request) =>
    greet(request, environment),
  );
  const response = await fetch(`${SERVICE}/greet?name=Ada`, { headers: { "x-test": "greeting" } });
  assert.deepEqual(await response.json(), { greeting: "hello Ada", place: "target" });

  // Everybody else still gets the service as it is.
  const other = await fetch(`${SERVICE}/greet?name=Ada`);
  assert.notEqual(((await other.json()) as { greeting?: string }).greeting, "hello Ada");
});
