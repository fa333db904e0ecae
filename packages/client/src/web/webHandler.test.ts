import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { headersFromRaw, type StolenResponse } from "../incoming/httpMessages.ts";
import { IncomingBody } from "../incoming/requestBody.ts";
import { ReceiveBudget } from "../receiveBudget.ts";
import type { IncomingRequest } from "../incoming/httpMessages.ts";
import { webHandler, webRequest } from "./webHandler.ts";

const peer = { ip: "10.0.0.9", port: 5000 };

function incoming(method: string, uri: string, headers: string[], body = "", more: Partial<IncomingRequest> = {}): IncomingRequest {
  const frames = body === "" ? [] : [{ kind: "data", value: Buffer.from(body) } as const];
  return {
    method,
    uri,
    version: "HTTP/1.1",
    headers: headersFromRaw(headers),
    body: new IncomingBody(new ReceiveBudget(1024, () => undefined), frames, true),
    port: 80,
    source: peer,
    destination: { ip: "fd00::1", port: 80 },
    transport: { kind: "tcp" },
    signal: new AbortController().signal,
    ...more,
  };
}

const textOf = async (body: StolenResponse["body"]): Promise<string> => {
  const parts: Uint8Array[] = [];
  for await (const part of body as AsyncIterable<Uint8Array>) parts.push(part);
  return Buffer.concat(parts).toString();
};

const values = (headers: StolenResponse["headers"], name: string): string[] =>
  (headers?.find(([one]) => one === name)?.[1] ?? []).map((value) => Buffer.from(value).toString());

suite("web forms of requests", () => {
  test("method, URL, headers and body come through; the answer goes back with its cookies apart", async () => {
    const answer = webHandler(async (request, { source }) => {
      assert.equal(source, peer);
      assert.equal(request.headers.get("x-user"), "me, you");
      const headers = new Headers({ "content-type": "text/plain" });
      headers.append("set-cookie", "a=1");
      headers.append("set-cookie", "b=2");
      return new Response(`${request.method} ${request.url} ${await request.text()}`, { status: 201, headers });
    });
    const response = await answer(incoming("POST", "/a?b=c", ["Host", "shop:8080", "X-User", "me", "X-User", "you"], "hello"));
    assert.equal(response.status, 201);
    assert.deepEqual(values(response.headers, "set-cookie"), ["a=1", "b=2"]);
    assert.equal(await textOf(response.body), "POST http://shop:8080/a?b=c hello");
  });

  const urls: [string, IncomingRequest, string][] = [
    ["without a Host header, the address", incoming("GET", "/x", []), "http://[fd00::1]/x"],
    ["absolute form", incoming("GET", "http://other/x", ["host", "shop"]), "http://other/x"],
    ["OPTIONS *", incoming("OPTIONS", "*", ["host", "shop"]), "http://shop/"],
    [
      "TLS",
      incoming("GET", "/", ["host", "shop"], "", { transport: { kind: "tls", value: { alpnProtocol: null, serverName: null } } }),
      "https://shop/",
    ],
    ["an old agent", incoming("GET", "/", [], "", { destination: null }), "http://localhost/"],
  ];
  for (const [name, request, expected] of urls) {
    test(`the URL: ${name}`, () => assert.equal(webRequest(request).url, expected));
  }

  test("GET has no body there, and what came is thrown away", async () => {
    const request = incoming("GET", "/", ["host", "shop"], "unexpected");
    assert.equal(webRequest(request).body, null);
    await new Promise((resolve) => request.body.once("end", resolve));
  });

  test("methods that the platform refuses get 501", async () => {
    const answer = webHandler(() => assert.fail("not called"));
    for (const method of ["CONNECT", "TRACE"]) assert.equal((await answer(incoming(method, "/", []))).status, 501);
  });

  test("answers without a body say so, but for those that never have one", async () => {
    const lengths: string[][] = [];
    for (const [method, status] of [
      ["GET", 200],
      ["GET", 204],
      ["HEAD", 200],
    ] as const) {
      const { headers } = await webHandler(() => new Response(null, { status }))(incoming(method, "/", []));
      lengths.push(values(headers, "content-length"));
    }
    assert.deepEqual(lengths, [["0"], [], []]);
  });

  test("the request's signal aborts with the peer", () => {
    const gone = new AbortController();
    const { signal } = webRequest(incoming("GET", "/", ["host", "shop"], "", { signal: gone.signal }));
    gone.abort();
    assert.ok(signal.aborted);
  });
});
