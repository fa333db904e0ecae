// One DNS query (RFC 1035; EDNS: RFC 6891) and its answer, as bytes. It knows no sockets; who is asked is given.

import { isIPv4 } from "node:net";
import { AgentError, UnsupportedByAgentError } from "@understudy/client";
import {
  decode,
  encode,
  type OptAnswer,
  type Packet,
  type Question,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  type StringAnswer,
  TRUNCATED_RESPONSE,
} from "dns-packet";
import { addressOfReverseName } from "./reverseName.ts";

/** How names are looked up; both reject with the agent's error where there is nothing. */
export interface Names {
  addresses(name: string, family: "ipv4Only" | "ipv6Only"): Promise<readonly string[]>;
  nameOf(ip: string): Promise<string>;
}

/** What became of a query. */
export interface Answered {
  /** To send; null for what must not be answered. */
  readonly bytes: Buffer | null;
  /** For the user; null for what is no query. */
  readonly name: string | null;
  readonly type: string | null;
  readonly code: string;
  readonly data: readonly string[];
}

const code = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
export type ResponseCode = keyof typeof code;

/** What is asked may have changed a moment later. */
const TTL_S = 5;
const HEADER_BYTES = 12;
/** Without EDNS (RFC 1035, section 4.2.1). */
const PLAIN_MAX_BYTES = 512;
/** Largest datagram that no network cuts to pieces, as name servers have agreed on. */
const EDNS_MAX_BYTES = 1232;
const BADVERS_EXTENDED = 1;

/** Answers a query. `transport` decides how long the answer may be. Never rejects. */
export async function answerQuery(bytes: Buffer, transport: "udp" | "tcp", names: Names): Promise<Answered> {
  // Answers, and what is too short to be one, are not answered: two servers would go on for ever.
  if (bytes.length < HEADER_BYTES || (bytes.readUInt8(2) & 0x80) !== 0) return nothing;
  if (((bytes.readUInt8(2) >> 3) & 0x0f) !== 0) return withoutQuestion(bytes, "NOTIMP");
  const query = decoded(bytes);
  const [question] = query?.questions ?? [];
  if (query === null || question === undefined || query.questions?.length !== 1) return withoutQuestion(bytes, "FORMERR");
  const edns = query.additionals?.find((record) => record.type === "OPT");
  if (edns !== undefined && (edns.ednsVersion ?? 0) !== 0)
    return response(query, question, { code: "NOERROR", answers: [] }, transport, BADVERS_EXTENDED);
  return response(query, question, await resolve(question, names), transport);
}

/** What is told to somebody for whom there is no time. */
export function busyAnswer(bytes: Buffer): Answered {
  return bytes.length < HEADER_BYTES || (bytes.readUInt8(2) & 0x80) !== 0 ? nothing : withoutQuestion(bytes, "SERVFAIL");
}

const nothing: Answered = { bytes: null, name: null, type: null, code: "dropped", data: [] };

function decoded(bytes: Buffer): Packet | null {
  try {
    return decode(bytes);
  } catch {
    // Malformed, which is the answer.
    return null;
  }
}

interface Resolved {
  readonly code: ResponseCode;
  readonly answers: readonly StringAnswer[];
}

async function resolve(question: Question, names: Names): Promise<Resolved> {
  const { name, type } = question;
  if (question.class !== "IN" || !/^[\x21-\x7e]{1,253}$/.test(name)) return { code: "REFUSED", answers: [] };
  try {
    if (type === "A" || type === "AAAA") {
      const found = await names.addresses(name, type === "A" ? "ipv4Only" : "ipv6Only");
      const fitting = [...new Set(found)].filter((ip) => isIPv4(ip) === (type === "A"));
      return { code: "NOERROR", answers: fitting.map((data) => ({ name, type, ttl: TTL_S, class: "IN", data })) };
    }
    if (type !== "PTR") return { code: "NOTIMP", answers: [] };
    const ip = addressOfReverseName(name);
    // Zones of addresses have names, too, and no host has.
    if (ip === null) return { code: "NXDOMAIN", answers: [] };
    return { code: "NOERROR", answers: [{ name, type, ttl: TTL_S, class: "IN", data: await names.nameOf(ip) }] };
  } catch (error) {
    return { code: codeOf(error, type), answers: [] };
  }
}

function codeOf(error: unknown, type: string): ResponseCode {
  if (error instanceof UnsupportedByAgentError) return "NOTIMP";
  if (!(error instanceof AgentError)) return "SERVFAIL";
  const { response } = error;
  // Agents give one error for whatever goes wrong with the name of an address; mostly there is none.
  if (type === "PTR") return response.kind === "remoteIO" ? "NXDOMAIN" : "SERVFAIL";
  if (response.kind !== "dnsLookup" || response.value.kind.kind !== "noRecordsFound") return "SERVFAIL";
  const told = response.value.kind.value;
  if (told === code.NXDOMAIN) return "NXDOMAIN";
  // The name has other records.
  return told === code.NOERROR ? "NOERROR" : "SERVFAIL";
}

function response(
  query: Packet,
  question: Question,
  { code: name, answers }: Resolved,
  transport: "udp" | "tcp",
  extendedRcode = 0,
): Answered {
  const opt = query.additionals?.find((record) => record.type === "OPT");
  const packet: Packet = {
    type: "response",
    id: query.id ?? 0,
    flags: ((query.flags ?? 0) & RECURSION_DESIRED) | RECURSION_AVAILABLE | code[name],
    questions: [question],
    answers: [...answers],
    additionals: opt === undefined ? [] : [{ ...ownOpt, extendedRcode }],
  };
  const whole = encode(packet);
  const isTooLong = transport === "udp" && whole.length > maxBytes(opt);
  const bytes = isTooLong ? encode({ ...packet, flags: (packet.flags ?? 0) | TRUNCATED_RESPONSE, answers: [] }) : whole;
  const data = answers.map((answer) => answer.data);
  return { bytes, name: question.name, type: question.type, code: extendedRcode === 0 ? name : "BADVERS", data };
}

const ownOpt: OptAnswer = {
  type: "OPT",
  name: ".",
  udpPayloadSize: EDNS_MAX_BYTES,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

function maxBytes(opt: { readonly udpPayloadSize: number } | undefined): number {
  return opt === undefined ? PLAIN_MAX_BYTES : Math.min(Math.max(opt.udpPayloadSize, PLAIN_MAX_BYTES), EDNS_MAX_BYTES);
}

function withoutQuestion(bytes: Buffer, name: ResponseCode): Answered {
  const header = Buffer.alloc(HEADER_BYTES);
  bytes.copy(header, 0, 0, 2);
  // Opcode and "recursion desired" come back.
  header.writeUInt8(0x80 | (bytes.readUInt8(2) & 0x79), 2);
  header.writeUInt8(0x80 | code[name], 3);
  return { bytes: header, name: null, type: null, code: name, data: [] };
}
