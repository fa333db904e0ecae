// HTTP filters: which requests of a port a session asks for. Their matching rules are the agent's; this is only their form.

import { type Codec } from "../codec.ts";
import type { Infer } from "../codec.ts";
import { list, recursive, since, struct, union } from "../composites.ts";
import { bool, text } from "../primitives.ts";
import { Port } from "./common.ts";

/** A regular expression in Rust's syntax. */
export const Filter = text;
/** A JSONPath (RFC 9535) expression. */
export const JsonPathQuery = text;
/** A jq program. */
export const JqQuery = text;

export const HttpMethodFilter = union("HttpMethodFilter", {
  get: null,
  head: null,
  post: null,
  put: null,
  delete: null,
  connect: null,
  options: null,
  trace: null,
  patch: null,
  other: text,
});
export type HttpMethodFilter = Infer<typeof HttpMethodFilter>;

/** `json`: nodes that `query` selects in the body, as text, are searched with the regular expression `matches`. */
export const HttpBodyFilter = union("HttpBodyFilter", { json: struct({ query: JsonPathQuery, matches: Filter }) });
export type HttpBodyFilter = Infer<typeof HttpBodyFilter>;

/** Written out, since it contains itself. */
export type HttpFilter =
  | { readonly kind: "header"; readonly value: string }
  | { readonly kind: "path"; readonly value: string }
  | { readonly kind: "composite"; readonly value: { readonly all: boolean; readonly filters: readonly HttpFilter[] } }
  | { readonly kind: "method"; readonly value: HttpMethodFilter }
  | { readonly kind: "body"; readonly value: HttpBodyFilter }
  | { readonly kind: "headerJq"; readonly value: string };

/** Which requests are wanted. A header is matched as `<lower-case name>: <value>`, a path without and then with its query. */
export const HttpFilter: Codec<HttpFilter> = union("HttpFilter", {
  header: Filter,
  path: Filter,
  composite: since("1.11.0", struct({ all: bool, filters: list(recursive(() => HttpFilter)) })),
  method: since("1.20.0", HttpMethodFilter),
  body: since("1.23.0", HttpBodyFilter),
  headerJq: since("1.26.0", JqQuery),
});

/** What a session steals of a port: everything, or the HTTP requests that a filter wants. `filteredHttp` is a header filter of old clients. */
export const StealType = union("StealType", {
  all: Port,
  filteredHttp: [Port, Filter],
  filteredHttpEx: [Port, HttpFilter],
});
export type StealType = Infer<typeof StealType>;
