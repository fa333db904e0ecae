// The declared codecs against the list of the protocol's types in testdata/types.json: every type, member, variant, position and version.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { ClientMessage } from "./messages/clientMessage.ts";
import { DaemonMessage } from "./messages/daemonMessage.ts";
import type { AnyCodec } from "./shape.ts";
import { allows, PROTOCOL_VERSION, UNNEGOTIATED_VERSION, type VersionGate, versionGates } from "./versionGates.ts";

interface ListedVariant {
  readonly tuple?: readonly string[];
  readonly struct?: Readonly<Record<string, string>>;
  readonly since?: string;
}
interface ListedType {
  readonly params?: readonly string[];
  readonly struct?: Readonly<Record<string, string>>;
  readonly enum?: Readonly<Record<string, ListedVariant>>;
  readonly sameAs?: string;
}
interface Listed {
  readonly protocolVersion: string;
  readonly types: Readonly<Record<string, ListedType>>;
  readonly gates: Readonly<Record<string, { readonly atLeast: string; readonly limits: string; readonly variants: readonly string[] }>>;
}

const listed = JSON.parse(readFileSync(new URL("../testdata/types.json", import.meta.url), "utf8")) as Listed;

/** The gates by the names that the protocol's own source gives them. */
const gateNames = {
  HTTP_FRAMED_VERSION: "httpFramed",
  CLIENT_READY_FOR_LOGS: "clientReadyForLogs",
  HTTP_FILTERED_UPGRADE_VERSION: "httpFilteredUpgrade",
  READLINK_VERSION: "readLink",
  HTTP_CHUNKED_REQUEST_VERSION: "httpChunkedRequest",
  HTTP_CHUNKED_RESPONSE_VERSION: "httpChunkedResponse",
  READDIR_BATCH_VERSION: "readDirBatch",
  HTTP_COMPOSITE_FILTER_VERSION: "httpCompositeFilter",
  MIRROR_BLOCK_VERSION: "mirrorBlock",
  MKDIR_VERSION: "makeDir",
  OPEN_LOCAL_VERSION: "openLocal",
  INFO_LOG_VERSION: "infoLog",
  RMDIR_VERSION: "removeDir",
  ADDRINFO_V2_VERSION: "addrInfoV2",
  STATFS_VERSION: "statFs",
  MIRROR_POLICY_REASON_VERSION: "policyReason",
  STATFS_V2_VERSION: "statFsV2",
  HTTP_CHUNKED_REQUEST_V2_VERSION: "httpChunkedRequestV2",
  MODE_AGNOSTIC_HTTP_REQUESTS: "modeAgnosticHttpRequests",
  MIRRORD_OPERATOR_LATENCY_PING_PONG: "operatorPing",
  HTTP_METHOD_FILTER_VERSION: "httpMethodFilter",
  RENAME_VERSION: "rename",
  MIRROR_HTTP_FILTER_VERSION: "mirrorHttpFilter",
  OUTGOING_CONNECT_V2: "outgoingConnectV2",
  HTTP_BODY_JSON_FILTER_VERSION: "httpBodyJsonFilter",
  COPYFILE_VERSION: "copyFile",
  REVERSE_DNS_VERSION: "reverseDns",
  HTTP_HEADER_JQ_FILTER_VERSION: "httpHeaderJqFilter",
  OUTGOING_SEQPACKET: "outgoingSeqpacket",
  SYSTEM_FAILURE_VERSION: "systemFailure",
  SHARE_LINK_VERSION: "shareLink",
} as const satisfies Record<string, VersionGate>;

suite("declared messages", () => {
  test("every one of the 126 types and 262 variants is declared as the protocol lists it", () => {
    const comparison = new Comparison();
    comparison.compare("ClientMessage", ClientMessage);
    comparison.compare("DaemonMessage", DaemonMessage);
    assert.deepEqual(comparison.differences, []);
    assert.deepEqual([...comparison.met].sort(), Object.keys(listed.types).sort());
    assert.equal(comparison.met.size, 126);
    assert.equal(comparison.variants.size, 262);
  });

  test("the protocol's version is the one of the list", () => {
    assert.equal(PROTOCOL_VERSION, listed.protocolVersion);
  });
});

suite("version gates", () => {
  test("there are 31, each with its version, its side and its variants", () => {
    assert.equal(Object.keys(listed.gates).length, 31);
    assert.deepEqual(Object.keys(gateNames), Object.keys(listed.gates));
    assert.deepEqual(Object.values(gateNames).sort(), Object.keys(versionGates).sort());
    for (const [constant, { atLeast, limits, variants }] of Object.entries(listed.gates)) {
      const gate = versionGates[gateNames[constant as keyof typeof gateNames]];
      const expected = { atLeast, limits, variants: variants.map(ourVariant).sort() };
      assert.deepEqual({ ...gate, variants: [...gate.variants].sort() }, expected, constant);
    }
  });

  for (const gate of Object.keys(versionGates) as VersionGate[]) {
    const { atLeast } = versionGates[gate];
    test(`${gate} opens at ${atLeast} and not before`, () => {
      const before = versionBefore(atLeast);
      assert.equal(allows(atLeast, gate), true);
      assert.equal(allows(before, gate), false, before);
      assert.equal(allows(PROTOCOL_VERSION, gate), true);
      assert.equal(allows(`${atLeast}+build.7`, gate), true, "build metadata does not matter");
      assert.equal(allows("18446744073709551615.0.0", gate), true);
      assert.equal(allows(UNNEGOTIATED_VERSION, gate), false);
    });

    test(`${gate} stays closed to pre-releases, however high, and to what is no version`, () => {
      for (const version of [`${atLeast}-rc.1`, "1.30.0-beta.1", "2.0.0-a", "2.0.0-0+build", "", "1", "1.29", "v1.29.0", "1.29.0 "]) {
        assert.equal(allows(version, gate), false, version);
      }
    });
  }
});

/** Walks a listed type and a codec side by side. */
class Comparison {
  /** Names of listed types that were met. */
  readonly met = new Set<string>();
  readonly variants = new Set<string>();
  readonly differences: string[] = [];
  readonly #compared = new Set<string>();

  compare(type: string, codec: AnyCodec, params: ReadonlyMap<string, string> = new Map()): void {
    const { name, args } = parseType(type, params);
    const { shape } = codec;
    // A place where the codec refers to itself; what the list says of the type is compared all the same.
    if (shape.kind === "lazy") {
      this.compare(type, shape.item(), params);
      return;
    }
    const listedType = listed.types[name];
    if (listedType === undefined) {
      this.#compareBuiltin(name, args, codec);
      return;
    }
    this.met.add(name);
    const inner = new Map(listedType.params?.map((param, i) => [param, args[i] ?? ""]));
    if (listedType.sameAs !== undefined) {
      this.compare(listedType.sameAs, codec, inner);
      return;
    }
    const key = `${name}<${args.join()}>`;
    // Seen from several places: the codecs are compared once for each shape met, so a second declaration is not overlooked.
    if (this.#compared.has(key) && listedType.enum !== undefined) return;
    this.#compared.add(key);
    if (listedType.struct !== undefined) this.#compareStruct(name, listedType.struct, codec, inner);
    else this.#compareEnum(name, listedType.enum ?? {}, codec, inner);
  }

  #compareStruct(where: string, fields: Readonly<Record<string, string>>, { shape }: AnyCodec, params: ReadonlyMap<string, string>): void {
    if (shape.kind !== "struct") {
      this.differences.push(`${where}: ${shape.kind} is no struct`);
      return;
    }
    this.#expect(where, shape.fields.map(([name]) => name).join(), Object.keys(fields).map(camelCase).join());
    for (const [i, type] of Object.values(fields).entries()) {
      const codec = shape.fields[i]?.[1];
      if (codec !== undefined) this.compare(type, codec, params);
    }
  }

  #compareEnum(
    name: string,
    variants: Readonly<Record<string, ListedVariant>>,
    { shape }: AnyCodec,
    params: ReadonlyMap<string, string>,
  ): void {
    for (const variant of Object.keys(variants)) this.variants.add(`${name}.${variant}`);
    const expected = Object.keys(variants).map(uncapitalised).join();
    if (shape.kind === "enumeration") {
      this.#expect(name, `${shape.name} ${shape.values.join()}`, `${name} ${expected}`);
      return;
    }
    if (shape.kind !== "union") {
      this.differences.push(`${name}: ${shape.kind} is no union`);
      return;
    }
    this.#expect(name, `${shape.name} ${shape.variants.map(({ kind }) => kind).join()}`, `${name} ${expected}`);
    for (const [i, [variant, { tuple = [], struct, since = null }]] of Object.entries(variants).entries()) {
      const where = `${name}.${variant}`;
      const declared = shape.variants[i];
      if (declared === undefined) continue;
      this.#expect(`${where} since`, declared.since, since);
      this.#expect(`${where} payload`, declared.payload.length, struct === undefined ? tuple.length : 1);
      const [first] = declared.payload;
      if (struct !== undefined && first !== undefined) this.#compareStruct(where, struct, first, params);
      for (const [j, codec] of declared.payload.entries()) if (tuple[j] !== undefined) this.compare(tuple[j], codec, params);
    }
  }

  #compareBuiltin(name: string, args: readonly string[], { shape }: AnyCodec): void {
    const found = shape.kind === "integer" ? shape.type : shape.kind === "text" ? (shape.grammar ?? "text") : shape.kind;
    this.#expect(name, found, builtins[name]);
    const inner =
      shape.kind === "result"
        ? [shape.ok, shape.err]
        : shape.kind === "map"
          ? [shape.key, shape.value]
          : shape.kind === "option" || shape.kind === "list" || shape.kind === "set" || shape.kind === "array"
            ? [shape.item()]
            : [];
    if (shape.kind === "array") this.#expect(name, String(shape.length), args[1]);
    for (const [i, codec] of inner.entries()) this.compare(args[i] ?? "", codec);
  }

  #expect(where: string, found: string | number | null, expected: string | number | null | undefined): void {
    if (found !== expected) this.differences.push(`${where}: ${found}, the list says ${expected}`);
  }
}

const builtins: Readonly<Record<string, string>> = {
  Unit: "unit",
  bool: "bool",
  u8: "u8",
  u16: "u16",
  u32: "u32",
  u64: "u64",
  usize: "u64",
  u128: "u128",
  i32: "i32",
  i64: "i64",
  String: "text",
  PathBuf: "text",
  Bytes: "bytes",
  Uid: "uid",
  IpAddr: "ipAddr",
  SocketAddr: "socketAddr",
  Option: "option",
  Result: "result",
  Vec: "list",
  Array: "array",
  HashMap: "map",
  HashSet: "set",
  SemverVersion: "semver",
  HttpMethod: "httpMethod",
  HttpUri: "httpUri",
  HttpVersion: "httpVersion",
  HttpStatus: "httpStatus",
  HttpHeaders: "httpHeaders",
};

/** `Name<A,B<C>>` as its name and arguments, with parameters replaced. */
function parseType(type: string, params: ReadonlyMap<string, string>): { name: string; args: string[] } {
  const whole = params.get(type) ?? type;
  const open = whole.indexOf("<");
  if (open < 0) return { name: whole, args: [] };
  const args: string[] = [];
  let depth = 0;
  let start = open + 1;
  for (let at = start; at < whole.length; at++) {
    const character = whole[at];
    if ((character === "," || character === ">") && depth === 0) {
      args.push(whole.slice(start, at));
      start = at + 1;
    }
    if (character === "<") depth += 1;
    if (character === ">") depth -= 1;
  }
  return { name: whole.slice(0, open), args: args.map((arg) => params.get(arg) ?? arg) };
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function uncapitalised(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

function ourVariant(name: string): string {
  const [type, variant] = name.split(".");
  return `${type}.${uncapitalised(variant ?? "")}`;
}

/** The highest plain version below another, among those with the same major number. */
function versionBefore(version: string): string {
  const [major, minor, patch] = version.split(".").map(Number);
  if (minor === undefined || patch === undefined) throw new TypeError(`not a plain version: ${version}`);
  return patch > 0 ? `${major}.${minor}.${patch - 1}` : `${major}.${minor - 1}.999`;
}
