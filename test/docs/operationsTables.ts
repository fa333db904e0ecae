// The tables of events and metrics in docs/operations.md, made from the agent itself.
//
// Usage: node --conditions=source test/docs/operationsTables.ts   puts fresh tables into docs/operations.md

import { readFile, writeFile } from "node:fs/promises";

interface AdminEvent {
  readonly level: string;
  readonly message: string;
  readonly remedy: string;
  readonly isLimited?: true;
}
interface EventsModule {
  readonly adminEvents: Readonly<Record<string, AdminEvent>>;
}
interface MetricsModule {
  readonly Metrics: new () => {
    readonly bypassedRequests: { with(port: number): unknown };
    exposition(): Promise<string>;
  };
}

export const operationsPage = new URL("../../docs/operations.md", import.meta.url);

/** The page with its tables made anew. */
export async function withOperationsTables(page: string): Promise<string> {
  const { adminEvents } = await agentModule<EventsModule>("log/events");
  const { Metrics } = await agentModule<MetricsModule>("metrics/metrics");
  const metrics = new Metrics();
  // It is shown from its first use on.
  metrics.bypassedRequests.with(80);
  return withTable(withTable(page, "events", eventsTable(adminEvents)), "metrics", metricsTable(await metrics.exposition()));
}

/** A module of the agent, which has no public entry for its parts: it is loaded from beside its main module. */
export async function agentModule<T>(name: string): Promise<T> {
  const entry = import.meta.resolve("@understudy/agent");
  const extension = entry.slice(entry.lastIndexOf("."));
  return (await import(new URL(`${name}${extension}`, entry).href)) as T;
}

function withTable(page: string, name: string, table: string): string {
  const beginMark = `<!-- ${name}: made by test/docs/operationsTables.ts, do not edit -->`;
  const endMark = `<!-- end of ${name} -->`;
  const [begin, end] = [page.indexOf(beginMark), page.indexOf(endMark)];
  if (begin < 0 || end < begin) throw new Error(`the page has no ${beginMark} … ${endMark}`);
  return `${page.slice(0, begin + beginMark.length)}\n\n${table}\n\n${page.slice(end)}`;
}

function eventsTable(events: EventsModule["adminEvents"]): string {
  const rows = Object.entries(events).map(([code, { level, message, remedy, isLimited }]) => {
    const whatToDo = level === "info" ? "" : remedy;
    return `| \`${code}\` | ${level} | ${message} | ${whatToDo} | ${isLimited === true ? "yes" : ""} |`;
  });
  return ["| code | level | sentence | what to do | limited |", "|---|---|---|---|---|", ...rows].join("\n");
}

/** From the text that is served: names, types, labels and help are what a scraper gets. */
function metricsTable(exposition: string): string {
  const rows = [...exposition.matchAll(/^# HELP (\w+) (.*)\n# TYPE \w+ (\w+)\n(?:\w+\{(\w+)=)?/gm)].map(
    // A histogram's bound is no label of its own.
    ([, name, help, type, label]) => `| \`${name}\`${label === undefined || label === "le" ? "" : ` {\`${label}\`}`} | ${type} | ${help} |`,
  );
  return ["| name | type | meaning |", "|---|---|---|", ...rows].join("\n");
}

if (import.meta.main) await writeFile(operationsPage, await withOperationsTables(await readFile(operationsPage, "utf8")));
