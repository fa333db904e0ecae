// Shows the webhooks that somebody sends to a service, and answers them in its place, without a tunnel and without a public address.
//
//   node webhookDebugger.ts HOST:PORT SERVICE-PORT PATH-REGEX
//
// Only requests whose path matches are taken; everything else reaches the service as ever.

import { connectAgent } from "@understudy/client";

const [agent = "", port = "", path = ""] = process.argv.slice(2);
const { hostname, port: agentPort } = new URL(`tcp://${agent}`);

await using session = await connectAgent({ host: hostname, port: Number(agentPort) });
await session.steal(Number(port), { kind: "path", value: path }, async (request) => {
  console.log(`${request.method} ${new URL(request.url).pathname}`);
  for (const [name, value] of request.headers) console.log(`  ${name}: ${value}`);
  console.log(`  ${JSON.stringify(await request.json().catch(() => "no JSON"))}`);
  return Response.json({ received: true }, { status: 202 });
});
console.log("waiting for webhooks; Ctrl-C ends it");
await session.closed;
