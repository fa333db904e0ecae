// Filters: one of each kind on a browser's request, and the set of filters of a port, as many sessions make it.

import { loadFromAgent, type Piece } from "../piece.ts";
import { BROWSER } from "./heads.ts";
import type { HeadModule } from "./httpHead.ts";

interface Filter {
  readonly needsBody: boolean;
  matches(request: object): boolean | Promise<boolean>;
}
interface FilterModule {
  readonly compileFilter: (filter: { kind: "header" | "path"; value: string }, means: object) => Promise<Filter>;
}
interface ServicesModule {
  readonly createFilterServices: (options: { readonly jq: null }) => object;
}
interface InputModule {
  readonly RequestHeadInput: new (bytes: Uint8Array, head: object) => object;
}
interface JudgeModule {
  readonly judge: (source: { subscriptionsOf(port: number): object }, port: number, input: object, need: null) => object;
}

const kinds: readonly (readonly [name: string, pattern: string])[] = [
  ["anchored, other value", "^x-user: nobody$"],
  ["anchored, no such header", "^x-tenant: nobody$"],
  ["anchored with gaps", "^cookie: .*session=fedcba.*"],
  ["literal without anchor", "x-user: nobody"],
  ["anchored regular expression", "^x-user:\\s*(alice|bob)$"],
  ["regular expression with a literal", "x-user: \\w+@corp"],
  ["regular expression without a literal", "[0-9]{5}-(a|b)[^ ]$"],
];

export async function filterPieces(): Promise<readonly Piece[]> {
  const { RequestHead } = await loadFromAgent<HeadModule>("incoming/http/head");
  const { compileFilter } = await loadFromAgent<FilterModule>("incoming/http/filter/compileFilter");
  const { createFilterServices } = await loadFromAgent<ServicesModule>("incoming/http/filter/filterServices");
  const { RequestHeadInput } = await loadFromAgent<InputModule>("incoming/http/filter/filterInput");
  const { judge } = await loadFromAgent<JudgeModule>("incoming/judge");
  const means = { services: createFilterServices({ jq: null }), onProblem: (text: string) => console.error(text) };
  const bytes = Buffer.from(BROWSER, "latin1");
  const head = new RequestHead();
  head.scan(bytes, 0, bytes.length);
  const compile = (pattern: string): Promise<Filter> => compileFilter({ kind: "header", value: pattern }, means);

  const single = kinds.map(async ([name, pattern]): Promise<Piece> => {
    const filter = await compile(pattern);
    return { name: `filters/${name}`, run: () => filter.matches(new RequestHeadInput(bytes, head)) };
  });
  const sets = [1, 10, 50, 200].map(async (count): Promise<Piece> => {
    const filters = await Promise.all(Array.from({ length: count }, (_, i) => compile(`^x-user: nobody-${i}$`)));
    const subscriptions = { stealers: filters.map((filter) => ({ subscriber: null, filter })), mirrorers: [], owner: null };
    const source = { subscriptionsOf: () => subscriptions };
    return { name: `filters/a set of ${count}, none wants it`, run: () => judge(source, 80, new RequestHeadInput(bytes, head), null) };
  });
  return await Promise.all([...single, ...sets]);
}
