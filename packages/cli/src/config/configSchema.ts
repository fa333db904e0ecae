// Judges a config by its schema, and says what is wrong in the words of somebody who wrote the file.

import { readFileSync } from "node:fs";
import { Ajv, type ErrorObject } from "ajv";
import { nearest } from "../nearest.ts";

/** Where editors find it, too. */
export const schemaFile: URL = new URL("../../schema/understudy.schema.json", import.meta.url);

/** What is wrong, and where: keys and indices from the top. */
export interface ConfigProblem {
  readonly path: readonly (string | number)[];
  readonly text: string;
  /** Whether it is about the key at `path` rather than its value. */
  readonly isKey: boolean;
}

/** @param part a definition of the schema instead of the whole. */
export function configProblems(value: unknown, part?: "agent"): readonly ConfigProblem[] {
  const ajv = new Ajv({ allErrors: true, verbose: true, strict: false });
  ajv.addSchema(JSON.parse(readFileSync(schemaFile, "utf8")) as object, "config");
  const validate = ajv.getSchema(part === undefined ? "config" : `config#/definitions/${part}`);
  if (validate === undefined) throw new Error("the config's schema is incomplete");
  if (validate(value) === true) return [];
  const problems = (validate.errors ?? []).flatMap(problemOf);
  const keys = problems.map((problem) => JSON.stringify(problem));
  return problems.filter((_, index) => keys.indexOf(keys[index] ?? "") === index);
}

const agentKinds = "address, pod, deployment, netns, pid and docker";

/** Empty for errors that another one tells better. */
function problemOf({ keyword, instancePath, schemaPath, params, parentSchema, data }: ErrorObject): readonly ConfigProblem[] {
  const path = pathOf(instancePath);
  const at = (text: string): readonly ConfigProblem[] => [{ path, text, isKey: false }];
  // What is required inside of `oneOf` is told by `oneOf` itself.
  if (/\/oneOf\/\d+\//.test(schemaPath)) return [];
  switch (keyword) {
    case "additionalProperties": {
      const key = String(params["additionalProperty"]);
      const known = Object.keys((parentSchema as { readonly properties: object }).properties);
      const meant = nearest(key, known);
      const hint = meant === undefined ? "" : `, did you mean ${meant}?`;
      return [{ path: [...path, key], text: `unknown key ${JSON.stringify(key)}${hint} (known: ${known.join(", ")})`, isKey: true }];
    }
    case "required":
      return at(`${String(params["missingProperty"])} is missing`);
    case "oneOf":
      return at(`it must name the agent by exactly one of ${agentKinds}`);
    case "type":
      return at(`it must be ${typeText(params["type"])}, not ${shown(data)}`);
    case "minimum":
    case "maximum": {
      const { minimum, maximum } = parentSchema as { readonly minimum: number; readonly maximum: number };
      return at(`it must be from ${minimum} to ${maximum}, not ${shown(data)}`);
    }
    case "pattern":
      return at(`it must be ${patternNames[schemaPath.split("/").at(-2) ?? ""] ?? "of another form"}, not ${shown(data)}`);
    case "minLength":
    case "minItems":
      return at("it must not be empty");
    default:
      return at(`it is not allowed: ${keyword}`);
  }
}

const typeNames: Readonly<Record<string, string>> = {
  array: "a list",
  object: "a map of keys",
  integer: "a whole number",
  string: "text",
  boolean: "true or false",
};

function typeText(type: unknown): string {
  const types: readonly unknown[] = Array.isArray(type) ? type : [type];
  return types.map((one) => typeNames[String(one)] ?? String(one)).join(" or ");
}

const patternNames: Readonly<Record<string, string>> = {
  hostPort: "HOST:PORT",
  podName: "NAME or NAME/CONTAINER",
  name: "a plain name",
  mapping: "PORT or PORT:LOCAL",
  forward: "LOCAL:HOST:REMOTE or LOCAL:unix:/path",
};

/** A JSON pointer (RFC 6901) as keys. Whether a part is an index is told by what it points into, so both forms are tried later. */
function pathOf(pointer: string): readonly (string | number)[] {
  const parts = pointer.split("/").slice(1);
  return parts.map((part) => (/^\d+$/.test(part) ? Number(part) : part.replaceAll("~1", "/").replaceAll("~0", "~")));
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
