// A name server for scenarios: a few fixed records on 127.0.0.1, port 53 of the test's network namespace, over UDP and TCP. Wire form: RFC 1035.

import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { parseIp } from "@understudy/protocol";

/** The resolver files that go with the records. */
export const resolverFiles = {
  hosts: "127.0.0.1 localhost\n::1 localhost\n192.0.2.50 hosted hosted.example\n",
  resolvConf: "nameserver 127.0.0.1\nsearch search.test\noptions timeout:1 attempts:1\n",
} as const;

interface Zone {
  readonly a?: readonly string[];
  readonly aaaa?: readonly string[];
  readonly cname?: string;
  readonly ptr?: string;
  /** Response code instead of an answer. */
  readonly code?: number;
  readonly isTruncatedOverUdp?: boolean;
}

const zones: Readonly<Record<string, Zone>> = {
  "plain.example": { a: ["192.0.2.1"], aaaa: ["2001:db8::1"] },
  "v4.example": { a: ["192.0.2.4"] },
  "v6.example": { aaaa: ["2001:db8::6"] },
  "many.example": { a: ["192.0.2.10", "192.0.2.11", "192.0.2.12"], aaaa: ["2001:db8::10", "2001:db8::11"] },
  "alias.example": { cname: "plain.example" },
  "alias-of-alias.example": { cname: "alias.example" },
  "under_score.example": { a: ["192.0.2.20"] },
  "empty.example": {},
  "servfail.example": { code: 2 },
  "refused.example": { code: 5 },
  "truncated.example": { a: ["192.0.2.30", "192.0.2.31"], isTruncatedOverUdp: true },
  "searched.search.test": { a: ["192.0.2.40"] },
  "two.searched.search.test": { a: ["192.0.2.41"] },
  "xn--bcher-kva.example": { a: ["192.0.2.42"] },
  "1.2.0.192.in-addr.arpa": { ptr: "plain.example" },
  [`${"1.0.0.0".concat(".0.0.0.0".repeat(5))}.8.b.d.0.1.0.0.2.ip6.arpa`]: { ptr: "plain.example" },
};

const TYPES = { a: 1, cname: 5, ptr: 12, aaaa: 28 } as const;
const NAME_ERROR = 3;

export async function startNameServer(): Promise<Disposable> {
  using owned = new DisposableStack();
  const udp = createSocket("udp4");
  owned.defer(() => udp.close());
  udp.on("message", (query, { port, address }) => udp.send(answerTo(query, true), port, address));
  udp.bind(53, "127.0.0.1");
  await once(udp, "listening");
  const tcp = createServer((socket) => {
    // Queries are small and come alone.
    socket
      .on("error", () => undefined)
      .on("data", (bytes: Buffer) => {
        const answer = answerTo(bytes.subarray(2), false);
        socket.write(Buffer.concat([u16(answer.length), answer]));
      });
  });
  owned.defer(() => void tcp.close());
  tcp.listen(53, "127.0.0.1");
  await once(tcp, "listening");
  const moved = owned.move();
  return { [Symbol.dispose]: () => moved.dispose() };
}

function answerTo(query: Buffer, isUdp: boolean): Buffer {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += length + 1;
  }
  const question = query.subarray(12, at + 5);
  const type = query.readUInt16BE(at + 1);
  const name = labels.join(".").toLowerCase();
  const zone = zones[name];
  const isTruncated = isUdp && zone?.isTruncatedOverUdp === true;
  const records = zone === undefined || isTruncated ? [] : recordsOf(labels.join("."), type);
  const code = zone === undefined ? NAME_ERROR : (zone.code ?? 0);
  const flags = 0x8580 | (isTruncated ? 0x0200 : 0) | code;
  return Buffer.concat([query.subarray(0, 2), u16(flags), u16(1), u16(records.length), u16(0), u16(0), question, ...records]);
}

function recordsOf(name: string, type: number): Buffer[] {
  const { a = [], aaaa = [], cname, ptr } = zones[name.toLowerCase()] ?? {};
  if (cname !== undefined) return [record(name, TYPES.cname, nameBytes(cname)), ...recordsOf(cname, type)];
  if (type === TYPES.a) return a.map((ip) => record(name, TYPES.a, Buffer.from(parseIp(ip)!)));
  if (type === TYPES.aaaa) return aaaa.map((ip) => record(name, TYPES.aaaa, Buffer.from(parseIp(ip)!)));
  if (type === TYPES.ptr && ptr !== undefined) return [record(name, TYPES.ptr, nameBytes(ptr))];
  return [];
}

function record(name: string, type: number, data: Buffer): Buffer {
  const timeToLive = Buffer.from([0, 0, 0, 60]);
  return Buffer.concat([nameBytes(name), u16(type), u16(1), timeToLive, u16(data.length), data]);
}

function nameBytes(name: string): Buffer {
  return Buffer.concat([...name.split(".").map((label) => Buffer.from([label.length, ...Buffer.from(label, "latin1")])), Buffer.from([0])]);
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}
