import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, connect as connectTcp, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect, createServer as createTlsServer, type ConnectionOptions, type TLSSocket } from "node:tls";
import type { StealTlsPort } from "../../stealTlsSetting.ts";
import { type Accepted, acceptTls } from "./acceptTls.ts";
import { type PeerSide, TlsPort } from "./tlsPort.ts";
import type { TargetFiles } from "./trustRoots.ts";

type Server_ = StealTlsPort["agentAsServer"];

class Folder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Folder> {
    return new Folder(await mkdtemp(join(tmpdir(), "understudy-tls-")));
  }

  /** A self-signed certificate and its key, in `<name>.pem` and `<name>.key`. */
  certify(name: string, commonName: string, ...extra: readonly string[]): void {
    const files = ["-keyout", this.at(`${name}.key`), "-out", this.at(`${name}.pem`)];
    const subject = ["-subj", `/CN=${commonName}`, "-addext", `subjectAltName=DNS:${commonName}`];
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    execFileSync("openssl", ["req", "-x509", ...key, ...files, ...subject, ...extra], { stdio: "ignore" });
  }

  at(name: string): string {
    return join(this.path, name);
  }

  read(name: string): Promise<string> {
    return readFile(this.at(name), "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true });
  }
}

const files: TargetFiles = { read: (path) => readFile(path), list: (path) => readdir(path) };

function tlsPort(folder: Folder, peer: Partial<Server_> = {}, reports: string[] = [], freshMs = 60_000): TlsPort {
  const authentication = { certPem: folder.at("agent.pem"), keyPem: folder.at("agent.key") };
  const config: StealTlsPort = {
    port: 443,
    agentAsServer: { authentication, alpnProtocols: [], verification: null, ...peer },
    agentAsClient: { authentication: null, verification: { acceptAnyCert: false, trustRoots: [folder.at("target.pem")] } },
  };
  return new TlsPort({ config, files, freshMs, handshakeTimeoutMs: 500, report: (path, error) => reports.push(`${path}: ${error}`) });
}

/** Accepts one connection after another as the agent does. */
class Acceptor implements AsyncDisposable {
  readonly results: Promise<Accepted>[] = [];
  readonly sockets: Socket[] = [];
  readonly #server: Server;

  constructor(side: PeerSide, silenceMs = 5_000) {
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      this.sockets.push(socket);
      socket.on("error", () => undefined);
      const accepted = acceptTls(socket, side, silenceMs);
      accepted.catch(() => undefined);
      this.results.push(accepted);
      this.#server.emit("taken");
    });
  }

  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  async result(index = 0): Promise<Accepted> {
    while (this.results.length <= index) await once(this.#server, "taken");
    const result = this.results[index];
    assert.ok(result);
    return await result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    const closed = once(this.#server, "close");
    this.#server.close();
    await closed;
  }
}

async function accepted(side: PeerSide, options: ConnectionOptions): Promise<{ agent: Accepted; peer: TLSSocket; name: unknown }> {
  await using acceptor = new Acceptor(side);
  const peer = connect({ port: await acceptor.listen(), host: "127.0.0.1", ...options });
  const [agent] = await Promise.all([acceptor.result(), once(peer, "secureConnect")]);
  return { agent, peer, name: peer.getPeerCertificate().subject.CN };
}

test("a peer gets the certificate and the protocol of the configuration, and its server name is known", async () => {
  await using folder = await Folder.make();
  folder.certify("agent", "shop.test");
  const side = await tlsPort(folder, { alpnProtocols: ["h2", "http/1.1"] }).peerSide();
  const { agent, peer } = await accepted(side, {
    servername: "shop.test",
    ca: await folder.read("agent.pem"),
    ALPNProtocols: ["http/1.1", "h2"],
  });
  assert.equal(peer.authorized, true);
  assert.equal(peer.alpnProtocol, "h2");
  assert.ok(agent.kind === "tls");
  assert.equal(agent.socket.servername, "shop.test");
  assert.equal(agent.socket.alpnProtocol, "h2");
});

test("handshakes at the same time are kept apart", async () => {
  await using folder = await Folder.make();
  folder.certify("agent", "shop.test");
  await using acceptor = new Acceptor(await tlsPort(folder).peerSide());
  const port = await acceptor.listen();
  const peers = Array.from({ length: 30 }, (_, index) =>
    connect({ port, host: "127.0.0.1", servername: `name-${index}.test`, rejectUnauthorized: false }),
  );
  await Promise.all(peers.map((peer) => once(peer, "secureConnect")));
  const ports = new Map(peers.map((peer, index) => [peer.localPort, `name-${index}.test`]));
  for (let index = 0; index < peers.length; index += 1) {
    const agent = await acceptor.result(index);
    assert.ok(agent.kind === "tls");
    assert.equal(agent.socket.servername, ports.get(agent.socket.remotePort));
  }
  for (const peer of peers) peer.destroy();
});

test("bytes of a peer that speaks no TLS stay to be read, and so does its end", async () => {
  await using folder = await Folder.make();
  folder.certify("agent", "shop.test");
  await using acceptor = new Acceptor(await tlsPort(folder).peerSide(), 50);
  const port = await acceptor.listen();
  const speaking = connectTcp(port, "127.0.0.1").end("GET / HTTP/1.1\r\n\r\n");
  assert.deepEqual(await acceptor.result(0), { kind: "plain" });
  const chunks: string[] = [];
  acceptor.sockets[0]!.on("data", (chunk) => chunks.push(String(chunk)));
  await once(acceptor.sockets[0]!, "end");
  assert.equal(chunks.join(""), "GET / HTTP/1.1\r\n\r\n");
  const silent = connectTcp(port, "127.0.0.1");
  assert.deepEqual(await acceptor.result(1), { kind: "plain" });
  const ended = connectTcp(port, "127.0.0.1").end();
  assert.deepEqual(await acceptor.result(2), { kind: "plain" });
  for (const peer of [speaking, silent, ended]) peer.destroy();
});

test("a handshake that goes wrong is a reason, and the next one works", async () => {
  await using folder = await Folder.make();
  folder.certify("agent", "shop.test");
  await using acceptor = new Acceptor(await tlsPort(folder, { alpnProtocols: ["h2"] }).peerSide());
  const port = await acceptor.listen();
  const garbage = connectTcp(port, "127.0.0.1");
  garbage.on("error", () => undefined).write(Buffer.from([0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]));
  await assert.rejects(acceptor.result(0));
  const leaving = connectTcp(port, "127.0.0.1");
  leaving.end(Buffer.from([0x16, 3, 1]));
  await assert.rejects(acceptor.result(1));
  const other = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["spdy/1"] });
  other.on("error", () => undefined);
  await assert.rejects(acceptor.result(2), /ALPN|application protocol/i);
  const good = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  assert.equal((await acceptor.result(3)).kind, "tls");
  for (const peer of [garbage, leaving, other, good]) peer.destroy();
});

for (const [what, verification, shown, expected] of [
  ["a trusted certificate", { allowAnonymous: false, acceptAnyCert: false, trustRoots: ["peer.pem"] }, "peer", "tls"],
  ["no certificate", { allowAnonymous: false, acceptAnyCert: false, trustRoots: ["peer.pem"] }, null, /no certificate/],
  ["another certificate", { allowAnonymous: false, acceptAnyCert: false, trustRoots: ["peer.pem"] }, "agent", /peer's certificate/],
  ["no certificate where that is fine", { allowAnonymous: true, acceptAnyCert: false, trustRoots: ["peer.pem"] }, null, "tls"],
  [
    "another certificate where none is fine",
    { allowAnonymous: true, acceptAnyCert: false, trustRoots: ["peer.pem"] },
    "agent",
    /peer's certificate/,
  ],
  ["any certificate where no root is known", { allowAnonymous: true, acceptAnyCert: false, trustRoots: [] }, "peer", /peer's certificate/],
  ["any certificate", { allowAnonymous: false, acceptAnyCert: true, trustRoots: [] }, "agent", "tls"],
  ["no certificate where any is asked for", { allowAnonymous: false, acceptAnyCert: true, trustRoots: [] }, null, /no certificate/],
] as const) {
  test(`peers are judged by their certificates: ${what}`, async () => {
    await using folder = await Folder.make();
    folder.certify("agent", "shop.test");
    folder.certify("peer", "peer.test");
    const trustRoots = verification.trustRoots.map((name) => folder.at(name));
    const side = await tlsPort(folder, { verification: { ...verification, trustRoots } }).peerSide();
    await using acceptor = new Acceptor(side);
    const identity = shown === null ? {} : { cert: await folder.read(`${shown}.pem`), key: await folder.read(`${shown}.key`) };
    const peer = connect({ port: await acceptor.listen(), host: "127.0.0.1", rejectUnauthorized: false, ...identity });
    peer.on("error", () => undefined);
    if (expected === "tls") assert.equal((await acceptor.result()).kind, "tls");
    else await assert.rejects(acceptor.result(), expected);
    peer.destroy();
  });
}

test("a configuration that cannot be used is a reason, and is tried again", async () => {
  await using folder = await Folder.make();
  const port = tlsPort(folder);
  await assert.rejects(port.peerSide(), /agent\.pem: .*ENOENT/);
  await writeFile(folder.at("agent.pem"), "nothing\n");
  await assert.rejects(port.peerSide(), /agent\.pem: there is no certificate in it/);
  folder.certify("agent", "shop.test");
  const key = await folder.read("agent.key");
  await writeFile(folder.at("agent.key"), key + key);
  await assert.rejects(port.peerSide(), /agent\.key: there are 2 private keys/);
  await writeFile(folder.at("agent.key"), key);
  await port.peerSide();
  const verification = { allowAnonymous: false, acceptAnyCert: false, trustRoots: [folder.at("none"), folder.at("agent.key")] };
  const reports: string[] = [];
  await assert.rejects(tlsPort(folder, { verification }, reports).peerSide(), /no trust root/);
  assert.equal(reports.length, 2);
});

test("a directory of trust roots is read one level deep, and what is no certificate is left out", async () => {
  await using folder = await Folder.make();
  await using roots = await Folder.make();
  folder.certify("agent", "shop.test");
  roots.certify("one", "peer.test");
  const reports: string[] = [];
  const verification = { allowAnonymous: false, acceptAnyCert: false, trustRoots: [roots.path] };
  await tlsPort(folder, { verification }, reports).peerSide();
  assert.deepEqual(reports, [`${roots.at("one.key")}: there is no certificate in it`]);
});

test("a certificate that was replaced is used without a restart, and a bad one leaves the old", async () => {
  await using folder = await Folder.make();
  folder.certify("agent", "old.test");
  const reports: string[] = [];
  const port = tlsPort(folder, {}, reports, 0);
  const nameNow = async (): Promise<unknown> => {
    const { peer, name } = await accepted(await port.peerSide(), { rejectUnauthorized: false });
    peer.destroy();
    return name;
  };
  assert.equal(await nameNow(), "old.test");
  folder.certify("agent", "new.test");
  // The first to ask still gets the old one.
  await port.peerSide();
  const isRenewed = async (): Promise<boolean> => (await nameNow()) === "new.test";
  for (let tries = 0; !(await isRenewed()); tries += 1) assert.ok(tries < 100);
  await writeFile(folder.at("agent.pem"), "nothing\n");
  await port.peerSide();
  while (reports.length === 0) await nameNow();
  assert.match(reports[0] ?? "", /^port 443: .*no certificate/);
  assert.equal(await nameNow(), "new.test");
});

test("the target must prove its name, and gets the one protocol that the peer got", async () => {
  await using folder = await Folder.make();
  folder.certify("agent", "shop.test");
  folder.certify("target", "shop.test");
  const identity = { cert: await folder.read("target.pem"), key: await folder.read("target.key") };
  await using server = createTlsServer({ ...identity, ALPNProtocols: ["h2", "http/1.1"] }, (socket) => {
    socket.end(`${String(socket.alpnProtocol)} ${String(socket.servername)}`);
  });
  server.on("tlsClientError", () => undefined).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const target = await tlsPort(folder).targetSide();
  const secured = target.secure(connectTcp(port, "127.0.0.1"), "shop.test", "http/1.1");
  const chunks = await secured.toArray();
  assert.equal(Buffer.concat(chunks as Buffer[]).toString(), "http/1.1 shop.test");
  const wrong = target.secure(connectTcp(port, "127.0.0.1"), "other.test", null);
  const [error] = (await once(wrong, "error").catch((one: unknown) => [one])) as [Error];
  assert.match(error.message, /altnames/);
});
