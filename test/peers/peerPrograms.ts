// Starts programs that others wrote as targets inside a pod, and runs them as peers outside of it. What runs in a pod shares its processes, and ends with it.

import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Pod, podIpv4, podSkipReason } from "../pod/pod.ts";

const run = promisify(execFile);

/** Where the programs listen in their pod. */
export const peerPorts = {
  nginx: 8080,
  /** HTTP/2 with prior knowledge. */
  nginxHttp2: 8081,
  node: 8082,
  /** Node behind nginx; nobody steals it. */
  behindNginx: 8083,
  /** Python's `http.server`, which closes after each answer, and the same with connections that are kept. */
  pythonHttp10: 8084,
  pythonHttp11: 8085,
  /** Answers with the length and digest of what came, when its peer has ended. */
  echo: 8086,
  /** Speaks first. */
  mail: 8087,
  go: 8088,
  webSocket: 8089,
} as const;

/** How long a program may take until it listens. */
const LISTENS_MAX_MS = 10_000;

/** Why tests with these tools are skipped; false where they run. In CI they must. */
export function toolsSkipReason(...tools: readonly string[]): string | false {
  const podReason = podSkipReason();
  if (podReason !== false || process.env["CI"] !== undefined) return podReason;
  const missing = tools.find((tool) => spawnSync("sh", ["-c", `command -v ${tool}`], { env: toolEnvironment() }).status !== 0);
  return missing === undefined ? false : `needs ${missing}`;
}

/** Administrators' commands, such as nginx, are not on every user's path. */
function toolEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
}

/** What a program outside the pod printed, also when it failed. */
export interface Printed {
  readonly code: number;
  /** One character a byte (latin1). */
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program as a peer outside the pod, for at most 30 s. */
export async function runPeer(command: string, ...parameters: readonly string[]): Promise<Printed> {
  const options = { encoding: "latin1", maxBuffer: 128 * 1024 * 1024, timeout: 30_000, env: toolEnvironment() } as const;
  try {
    return { code: 0, ...(await run(command, parameters, options)) };
  } catch (error) {
    const { code, stdout, stderr } = error as Printed;
    if (typeof code !== "number") throw error;
    return { code, stdout, stderr };
  }
}

/** Starts a program inside the pod. It is there on return, but may not listen yet. */
export async function startInPod(pod: Pod, command: string, ...parameters: readonly string[]): Promise<void> {
  const child = spawn("nsenter", ["--target", String(pod.pid), "--net", "--pid", "--", command, ...parameters], {
    stdio: ["ignore", "ignore", "inherit"],
    env: toolEnvironment(),
  });
  await once(child, "spawn");
  child.unref();
}

/** Waits until something in the pod accepts connections at these ports. */
export async function listening(...ports: readonly number[]): Promise<void> {
  const giveUp = AbortSignal.timeout(LISTENS_MAX_MS);
  for (const port of ports) {
    while (!(await accepts(port))) {
      if (giveUp.aborted) throw new Error(`nothing listens at port ${port} of the pod`);
      await sleep(20);
    }
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ host: podIpv4, port });
  const isConnected = await once(socket, "connect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return isConnected;
}

/** A folder for data of one test. */
export class PeerFolder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<PeerFolder> {
    return new PeerFolder(await mkdtemp(join(tmpdir(), "understudy-peers-")));
  }

  file(...name: readonly string[]): string {
    return join(this.path, ...name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Starts nginx, which serves `files` of the folder, and Node behind it. */
export async function startNginx(pod: Pod, folder: PeerFolder): Promise<void> {
  const { nginx, nginxHttp2, behindNginx } = peerPorts;
  await startNode(pod, behindNginx);
  await mkdir(folder.file("files"), { recursive: true });
  const template = await readFile(peerPath("nginx.conf"), "utf8");
  const values: Readonly<Record<string, string | number>> = { FOLDER: folder.path, HTTP2: nginxHttp2, HTTP: nginx, BEHIND: behindNginx };
  // A word at the beginning of a line is a directive of nginx, and the comment is none.
  const text = template.replaceAll(/\b(FOLDER|HTTP2|HTTP|BEHIND)\b/g, (word) => String(values[word]));
  await writeFile(folder.file("nginx.conf"), text);
  await startInPod(pod, "nginx", "-p", folder.path, "-e", folder.file("error.log"), "-c", folder.file("nginx.conf"));
  await listening(nginx, nginxHttp2);
}

export async function startNode(pod: Pod, port: number): Promise<void> {
  await startInPod(pod, process.execPath, peerPath("nodeTarget.ts"), String(port));
  await listening(port);
}

/** Starts a server of websockets. */
export async function startWebSockets(pod: Pod): Promise<void> {
  await startInPod(pod, process.execPath, peerPath("webSocketTarget.ts"), String(peerPorts.webSocket));
  await listening(peerPorts.webSocket);
}

/** Starts all of the Python servers. */
export async function startPython(pod: Pod): Promise<void> {
  const ports = [peerPorts.pythonHttp10, peerPorts.pythonHttp11, peerPorts.echo, peerPorts.mail];
  await startInPod(pod, "python3", pythonPeer, "serve", ...ports.map(String));
  await listening(...ports);
}

export const pythonPeer = peerPath("pythonPeer.py");
export const nodePeer = peerPath("nodePeer.ts");

/** Whether Go's own library speaks HTTP/2 without TLS, as that of Go 1.24 and later. */
export function goSpeaksHttp2(): boolean {
  const { stdout } = spawnSync("go", ["env", "GOVERSION"], { encoding: "utf8", env: { ...process.env, GOTOOLCHAIN: "local" } });
  const [, major, minor] = /^go(\d+)\.(\d+)/.exec(stdout ?? "") ?? [];
  return Number(major) > 1 || Number(minor) >= 24;
}

/** Compiles the Go program; returns where it is. */
export async function buildGo(folder: PeerFolder): Promise<string> {
  const program = folder.file("goPeer");
  // Files named one by one are compiled whatever their build constraints say.
  const sources = ["goPeer.go", ...(goSpeaksHttp2() ? ["goPeerHttp2.go"] : [])].map(peerPath);
  await run("go", ["build", "-o", program, ...sources], { timeout: 100_000, env: { ...process.env, GOTOOLCHAIN: "local" } });
  return program;
}

export async function startGo(pod: Pod, program: string): Promise<void> {
  await startInPod(pod, program, "serve", String(peerPorts.go));
  await listening(peerPorts.go);
}

function peerPath(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
