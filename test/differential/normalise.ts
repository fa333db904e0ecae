// Answers in a form that does not depend on what differs by nature from one run to the next: ports, inodes, times of now, the place of the
// files, the order in which a directory or a map is listed. With `isPortable` also without what differs between machines.

import { ClientMessage, DaemonMessage, type Json, toJson } from "@understudy/protocol";
import type { Recording } from "./runner.ts";
import type { Scenario, World } from "./scenario.ts";

export interface NormalForm {
  readonly requests: readonly (readonly Json[])[];
  readonly answers: readonly (readonly Json[])[];
  readonly closedInStep: number | null;
}

/** Stands for a value that is there and may be any. */
const ANY = "*";

/** Nanoseconds within the second that scenarios and the tree set; all other times are of now. */
const KNOWN_NANOSECONDS: ReadonlySet<Json> = new Set([250_000_000, 500_000_000, 111_111_111, 222_222_222, 999_999_999]);

/** What a machine has its own of, in answers to status requests. */
const MACHINE_FIELDS: Readonly<Record<string, readonly string[]>> = {
  metadata: ["device_id", "inode", "creation_time", "blocks"],
  machineMetadata: ["block_size"],
  fsMetadata: ["blocks_free", "blocks_available", "files_free"],
  machineFsMetadata: ["filesystem_type", "block_size", "blocks", "files", "filesystem_id", "name_len", "fragment_size", "flags"],
};

export function normalForm(scenario: Scenario, { answers, closedInStep }: Recording, world: World, isPortable: boolean): NormalForm {
  const text = textRules(world);
  return {
    requests: scenario.steps.map(({ send }) => send.map((message) => plain(toJson(ClientMessage, message), text))),
    answers: answers.map((step) => mergeReads(step).map((message) => plain(answer(toJson(DaemonMessage, message), isPortable), text))),
    closedInStep,
  };
}

/** Reads of one connection that follow one another, as one: a byte stream may be cut anywhere. The bytes of long ones are only counted. */
function mergeReads(messages: readonly DaemonMessage[]): DaemonMessage[] {
  const merged: DaemonMessage[] = [];
  for (const message of messages) {
    const last = merged.at(-1);
    const [before, after] = [last && tcpBytes(last), tcpBytes(message)];
    if (before && after && before.connectionId === after.connectionId && before.bytes.length > 0 && after.bytes.length > 0) {
      merged[merged.length - 1] = tcpRead(before.connectionId, Buffer.concat([before.bytes, after.bytes]));
    } else merged.push(message);
  }
  return merged;
}

function tcpBytes(message: DaemonMessage): { connectionId: number | bigint; bytes: Uint8Array } | null {
  if (message.kind !== "tcpOutgoing" || message.value.kind !== "read" || message.value.value.kind !== "ok") return null;
  return message.value.value.value;
}

function tcpRead(connectionId: number | bigint, bytes: Uint8Array): DaemonMessage {
  return { kind: "tcpOutgoing", value: { kind: "read", value: { kind: "ok", value: { connectionId, bytes } } } };
}

type Members = Readonly<Record<string, Json>>;

/** Rules that depend on which field it is. */
function answer(json: Json, isPortable: boolean): Json {
  if (isList(json)) return json.map((item) => answer(item, isPortable));
  if (!isObject(json)) return json;
  const members: Record<string, Json> = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === "metadata" && isObject(value)) members[name] = metadata(value, isPortable);
    else if ((name === "dir_entries" || name === "entries") && isList(value)) members[name] = entries(value);
    else if (name === "direntry" && value !== null) members[name] = entries([value])[0]!;
    else if (name === "GetEnvVarsResponse") members[name] = sorted(value);
    else members[name] = answer(value, isPortable);
  }
  return members;
}

function metadata(fields: Members, isPortable: boolean): Json {
  const isFile = "inode" in fields;
  const groups = isFile ? ["metadata", "machineMetadata"] : ["fsMetadata", "machineFsMetadata"];
  const varying = new Set(groups.slice(0, isPortable ? 2 : 1).flatMap((group) => MACHINE_FIELDS[group] ?? []));
  const type = isFile ? Number(fields["mode"]) & 0o170000 : 0;
  // Whether a link was read on the way is nobody's business; an absolute one is as long as the place of the files is.
  if (type === 0o120000) for (const name of isPortable ? ["access_time", "size"] : ["access_time"]) varying.add(name);
  if (type === 0o040000 && isPortable) for (const name of ["size", "hard_links"]) varying.add(name);
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      if (varying.has(name)) return [name, ANY];
      if (name.endsWith("_time") && !KNOWN_NANOSECONDS.has(value)) return [name, value === 0 ? 0 : ANY];
      if (name === "user_id" && value === process.getuid?.()) return [name, "$USER"];
      if (name === "group_id" && value === process.getgid?.()) return [name, "$GROUP"];
      return [name, value];
    }),
  );
}

/**
 * Entries in the order of their names, positions in their own order. Names of the folder whose entries are all alike lose what tells them
 * apart.
 */
function entries(list: readonly Json[]): readonly Json[] {
  const named = list.filter(isObject).map((entry) => ({ entry, name: typeof entry["name"] === "string" ? entry["name"] : "" }));
  const positions = named.map(({ entry }) => entry["position"] ?? null);
  return named
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ entry, name }, i) => ({
      ...entry,
      name: name.replace(/^same-\d$/, "same-?"),
      inode: entry["inode"] === 0 ? 0 : ANY,
      position: positions[i]!,
    }));
}

function sorted(json: Json): Json {
  if (!isObject(json)) return json;
  return Object.fromEntries(
    Object.keys(json)
      .toSorted()
      .map((key) => [key, sorted(json[key]!)]),
  );
}

type TextRule = (text: string) => string;

/** Rules for every text: the place of the files, ports, the name of the abstract socket. */
function textRules({ tree, ports, abstractName }: World): TextRule {
  const names = new Map(Object.entries(ports).map(([name, port]) => [String(port), `$${name}`]));
  const hexName = Buffer.from(abstractName).toString("hex");
  return (text) =>
    text
      .replaceAll(tree, "$TREE")
      .replaceAll(tree.slice(1), "$RELATIVE_TREE")
      .replaceAll(hexName, "$ABSTRACT_NAME")
      .replace(
        /^(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]*\]):(\d+)$/,
        (_all, ip: string, port: string) => `${ip}:${names.get(port) ?? (Number(port) < 10 ? port : ANY)}`,
      );
}

function plain(json: Json, text: TextRule): Json {
  if (typeof json === "string") return shortened(text(json));
  if (isList(json)) return json.map((item) => plain(item, text));
  if (!isObject(json)) return json;
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, plain(value, text)]));
}

/** Long texts by their length and both ends. */
function shortened(text: string): string {
  return text.length <= 400 ? text : `${text.slice(0, 40)}…${text.slice(-40)} (${text.length})`;
}

function isList(json: Json): json is readonly Json[] {
  return Array.isArray(json);
}

function isObject(json: Json): json is Members {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
