// Ports that are configured for TLS, with OpenSSL's and curl's own programs as peers: sessions and filters see what is inside, and the target gets TLS as from its peers.

import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { connect as connectHttp2, createSecureServer } from "node:http2";
import { type AddressInfo, connect as connectTcp, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { promisify } from "node:util";
import { TlsPorts } from "../incoming/tls/tlsPorts.ts";
import { eventually, nextStart, respond, settled } from "./incomingActorsFixture.ts";
import { type Peer, PodUnderTest } from "./incomingFixture.ts";

const run = promisify(execFile);
const NAME = "shop.test";

function missing(...tools: readonly string[]): string | false {
  if (process.env["CI"] !== undefined) return false;
  return tools.some((tool) => spawnSync(tool, ["--version"]).error) ? `needs ${tools.join(" and ")}` : false;
}

/** A certificate of the target in a folder that stands for its root. */
class Certificate implements AsyncDisposable {
  readonly folder: string;
  readonly cert: string;
  readonly key: string;

  private constructor(folder: string, cert: string, key: string) {
    this.folder = folder;
    this.cert = cert;
    this.key = key;
  }

  static async make(): Promise<Certificate> {
    const folder = await mkdtemp(join(tmpdir(), "understudy-tls-"));
    const files = ["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    const subject = ["-subj", `/CN=${NAME}`, "-addext", `subjectAltName=DNS:${NAME}`];
    spawnSync("openssl", ["req", "-x509", ...key, ...files, ...subject]);
    const [certificate, privateKey] = await Promise.all(["cert.pem", "key.pem"].map((name) => readFile(join(folder, name), "utf8")));
    return new Certificate(folder, certificate ?? "", privateKey ?? "");
  }

  get path(): string {
    return join(this.folder, "cert.pem");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}

interface SecuredPod extends AsyncDisposable {
  readonly pod: PodUnderTest;
  readonly unusable: string[];
}

/** An agent whose files of the target are those of the certificate's folder. */
async function securedPod(target: Server, { folder }: Certificate, trustRoots = ["/cert.pem"]): Promise<SecuredPod> {
  target.listen(0, "127.0.0.1");
  await once(target, "listening");
  const unusable: string[] = [];
  const files = {
    read: (path: string) => readFile(join(folder, path)),
    list: (path: string) => readdir(join(folder, path)),
  };
  const config = {
    port: (target.address() as AddressInfo).port,
    agentAsServer: {
      authentication: { certPem: "/cert.pem", keyPem: "/key.pem" },
      alpnProtocols: ["h2", "http/1.1", "lab"],
      verification: null,
    },
    agentAsClient: { authentication: null, verification: { acceptAnyCert: false, trustRoots } },
  };
  const tls = new TlsPorts({ configs: [config], files, unusable: (port, path, error) => unusable.push(`${port} ${path}: ${error}`) });
  const pod = await PodUnderTest.start(target, { tls });
  return { pod, unusable, [Symbol.asyncDispose]: () => pod[Symbol.asyncDispose]() };
}

function curl(pod: PodUnderTest, { path: ca }: Certificate, path: string, ...options: readonly string[]): Promise<string> {
  const to = ["--connect-to", `${NAME}:443:127.0.0.1:${pod.doorPort}`, "--cacert", ca, "--max-time", "10", "--silent", "--show-error"];
  return run("curl", [...to, ...options, `https://${NAME}${path}`]).then(({ stdout }) => stdout);
}

/** A target that tells what it was asked, in both versions of HTTP. */
function httpTarget({ cert, key }: Certificate): Server {
  return createSecureServer({ cert, key, allowHTTP1: true }, (request, response) => {
    const { servername } = request.socket as unknown as { readonly servername: string };
    response.end(`target ${request.httpVersion} ${request.url} ${servername}`);
  });
}

for (const [version, alpn] of [
  ["1.1", "http/1.1"],
  ["2.0", "h2"],
] as const) {
  const option = version === "2.0" ? "--http2" : "--http1.1";
  test(`HTTP/${version} in TLS is judged request by request`, { skip: missing("openssl", "curl") }, async () => {
    await using certificate = await Certificate.make();
    await using secured = await securedPod(httpTarget(certificate), certificate);
    const { pod } = secured;
    using client = await pod.client();
    await pod.steal(client, "^x-user: me$");

    assert.equal(await curl(pod, certificate, "/passed", option), `target ${version} /passed ${NAME}`);

    const stolen = curl(pod, certificate, "/stolen", option, "--header", "X-User: me");
    const { connectionId, request, transport } = await nextStart(client);
    assert.equal(request.version, `HTTP/${version}`);
    assert.equal(request.uri, version === "2.0" ? `https://${NAME}/stolen` : "/stolen");
    assert.deepEqual(transport, { kind: "tls", value: { alpnProtocol: new Uint8Array(Buffer.from(alpn)), serverName: NAME } });
    respond(client, connectionId, "session");
    assert.equal(await stolen, "session");
    assert.deepEqual(secured.unusable, []);
  });
}

test("another protocol in TLS is stolen as plain bytes, or goes on as TLS", { skip: missing("openssl") }, async () => {
  await using certificate = await Certificate.make();
  const { cert, key } = certificate;
  const target = createTlsServer({ cert, key, ALPNProtocols: ["lab"] }, (socket) => {
    socket.write(`hello ${String(socket.alpnProtocol)} ${String(socket.servername)}\n`);
    socket.pipe(socket);
  });
  await using secured = await securedPod(target, certificate);
  const { pod } = secured;
  using client = await pod.client();
  const openssl = (): ReturnType<typeof spawn> =>
    spawn("openssl", ["s_client", "-quiet", "-no_ign_eof", "-connect", `127.0.0.1:${pod.doorPort}`, "-servername", NAME, "-alpn", "lab"], {
      stdio: ["pipe", "pipe", "ignore"],
    });

  await pod.steal(client, "^x-user: me$");
  const passed = openssl();
  passed.stdin?.write("ping\n");
  let text = "";
  for await (const chunk of passed.stdout ?? []) {
    text += String(chunk);
    if (text.endsWith("ping\n")) break;
  }
  assert.equal(text, `hello lab ${NAME}\nping\n`);
  passed.kill();

  await pod.steal(client);
  const stolen = openssl();
  stolen.stdin?.write("ping\n");
  const opened = (await client.next("tcpSteal")).value;
  assert.ok(opened.kind === "newConnectionV2");
  assert.deepEqual(opened.value.transport, { kind: "tls", value: { alpnProtocol: new Uint8Array(Buffer.from("lab")), serverName: NAME } });
  const data = (await client.next("tcpSteal")).value;
  assert.ok(data.kind === "data");
  assert.equal(Buffer.from(data.value.bytes).toString(), "ping\n");
  const { connectionId } = data.value;
  client.send({ kind: "tcpSteal", value: { kind: "data", value: { connectionId, bytes: Buffer.from("pong\n") } } });
  const [pong] = (await once(stolen.stdout!, "data")) as [Buffer];
  assert.equal(String(pong), "pong\n");
  stolen.stdin?.end();
  const end = (await client.next("tcpSteal")).value;
  assert.ok(end.kind === "data" && end.value.bytes.length === 0);
  stolen.kill();
});

test(
  "a connection in TLS is for clients that know of TLS; for others the target gets it",
  { skip: missing("openssl", "curl") },
  async () => {
    await using certificate = await Certificate.make();
    await using secured = await securedPod(httpTarget(certificate), certificate);
    const { pod } = secured;
    using client = await pod.client("1.18.0");
    await pod.steal(client, "^x-user: me$");
    const answered = await curl(pod, certificate, "/", "--http1.1", "--header", "X-User: me");
    assert.equal(answered, `target 1.1 / ${NAME}`);
    const { message } = await client.next("logMessage").then(({ value }) => value);
    assert.match(message, /mirrord-protocol version requirement: >=1\.19\.0/);
  },
);

test(
  "another protocol in TLS is copied as plain bytes; clients that do not know of TLS get a text instead",
  { skip: missing("openssl") },
  async () => {
    await using certificate = await Certificate.make();
    const { cert, key } = certificate;
    const target = createTlsServer({ cert, key, ALPNProtocols: ["lab"] }, (socket) =>
      socket.on("data", (chunk: Buffer) => socket.end(chunk)),
    );
    await using secured = await securedPod(target, certificate);
    const { pod } = secured;
    using listening = await pod.client();
    using oldListening = await pod.client("1.19.3");
    using oldStealing = await pod.client("1.19.3");
    for (const client of [listening, oldListening]) {
      client.send({ kind: "tcp", value: { kind: "portSubscribe", value: pod.port } });
      await client.next("tcp");
    }
    await pod.steal(oldStealing);
    const peer = connectTls({ port: pod.doorPort, host: "127.0.0.1", ca: cert, servername: NAME, ALPNProtocols: ["lab"] });
    peer.write("ping");
    assert.equal(String(await once(peer, "data")), "ping");
    const required = "due to mirrord-protocol version requirement: >=1.19.4";
    assert.equal((await oldStealing.next("logMessage")).value.message, `A TCP connection was not stolen ${required}`);
    assert.equal((await oldListening.next("logMessage")).value.message, `A TLS connection was not mirrored ${required}`);
    const opened = (await listening.next("tcp")).value;
    assert.ok(opened.kind === "newConnectionV2");
    assert.deepEqual(opened.value.transport, {
      kind: "tls",
      value: { alpnProtocol: new Uint8Array(Buffer.from("lab")), serverName: NAME },
    });
    const copied = (await listening.next("tcp")).value;
    assert.ok(copied.kind === "data" && Buffer.from(copied.value.bytes).toString() === "ping");
    peer.destroy();
  },
);

test("a peer that speaks no TLS reaches the target as it is", { skip: missing("openssl") }, async () => {
  await using certificate = await Certificate.make();
  const target = createServer((socket) => socket.on("data", (chunk) => socket.end(`got ${String(chunk)}`)));
  await using secured = await securedPod(target, certificate);
  const { pod } = secured;
  using client = await pod.client();
  await pod.steal(client);
  const peer = connectTcp(pod.doorPort, "127.0.0.1");
  peer.write("GET / HTTP/1.1\r\n\r\n");
  const chunks = await peer.toArray();
  assert.equal(chunks.map(String).join(""), "got GET / HTTP/1.1\r\n\r\n");
});

test("without a usable root the target gets nothing, and peers hear why", { skip: missing("openssl", "curl") }, async () => {
  await using certificate = await Certificate.make();
  await using secured = await securedPod(httpTarget(certificate), certificate, ["/none.pem"]);
  const { pod, unusable } = secured;
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  const passed = await curl(pod, certificate, "/", "--http1.1");
  assert.match(passed, /failed to pass the request to its original destination: .*TLS to the target is not possible/);
  const stolen = curl(pod, certificate, "/", "--http1.1", "--header", "X-User: me");
  respond(client, (await nextStart(client)).connectionId, "session");
  assert.equal(await stolen, "session");
  assert.ok(unusable.some((one) => one.includes("/none.pem")));
});

test(
  "a certificate that the target does not have closes the connection, and the next one is tried",
  { skip: missing("openssl", "curl") },
  async () => {
    await using certificate = await Certificate.make();
    await using secured = await securedPod(httpTarget(certificate), certificate);
    const { pod, unusable } = secured;
    await rm(join(certificate.folder, "key.pem"));
    using client = await pod.client();
    await pod.steal(client, "^x-user: me$");
    await assert.rejects(curl(pod, certificate, "/"));
    assert.match(unusable.join("\n"), /key\.pem/);
  },
);

test(
  "a peer that says nothing and resets its connection leaves nothing behind, and nobody is told",
  { skip: missing("openssl") },
  async () => {
    await using certificate = await Certificate.make();
    const target = createServer((socket) => socket.on("error", () => undefined).resume());
    await using secured = await securedPod(target, certificate);
    const { pod } = secured;
    using client = await pod.client();
    await pod.steal(client);
    for (let turn = 0; turn < 5; turn++) {
      using peer = await pod.peer();
      await eventually(() => pod.agent.metrics.redirectedConnectionsCount.value > 0, "the connection did not arrive");
      // Before the certificates were read, and later, when the agent waits for the first byte.
      if (turn > 0) await sleep(20);
      peer.socket.resetAndDestroy();
      await eventually(() => pod.agent.metrics.redirectedConnectionsCount.value === 0, "the connection is left");
    }
    const connections = (): Promise<number> => new Promise((resolve) => target.getConnections((_error, count) => resolve(count)));
    await settled(client);
    assert.equal(await connections(), 0);
    assert.deepEqual(pod.agent.log.events, []);
  },
);

test("a peer that asks for no server by name has the target prove the one of its request", { skip: missing("openssl") }, async () => {
  await using certificate = await Certificate.make();
  await using secured = await securedPod(httpTarget(certificate), certificate);
  const { pod } = secured;
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  const ask = async (authority: string): Promise<string> => {
    const session = connectHttp2(`https://127.0.0.1:${pod.doorPort}`, { servername: "", rejectUnauthorized: false });
    const stream = session.request({ ":path": "/", ":authority": authority });
    const chunks: unknown[] = await stream.toArray();
    session.close();
    return chunks.map(String).join("");
  };
  assert.equal(await ask(`${NAME}:443`), `target 2.0 / ${NAME}`);
  assert.match(await ask("other.test"), /failed to pass the request to its original destination: .*altnames/);
});

test("peers that do not go on with their handshake keep nobody out", { skip: missing("openssl", "curl") }, async () => {
  await using certificate = await Certificate.make();
  await using secured = await securedPod(httpTarget(certificate), certificate);
  const { pod } = secured;
  using client = await pod.client();
  await pod.steal(client, "^x-user: me$");
  await using stack = new AsyncDisposableStack();
  const stuck: Peer[] = [];
  for (let count = 0; count < 300; count++) {
    const peer = stack.use(await pod.peer());
    // The first byte of a handshake, on every other connection.
    if (count % 2 === 0) peer.write("\x16");
    stuck.push(peer);
  }
  assert.equal(await curl(pod, certificate, "/", "--http1.1"), `target 1.1 / ${NAME}`);
  await eventually(() => stuck.filter(({ socket }) => socket.closed).length === 300 - 255, "other than the oldest were ended");
  assert.ok(stuck.slice(0, 45).every(({ socket }) => socket.closed));
});
