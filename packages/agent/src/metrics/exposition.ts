// Prometheus' text format 0.0.4, as far as counters, gauges and histograms need it. The usual library, prom-client, adds 22 MB to
// the resident size, which is a fifth of the pod's limit, for what is one page here.
// Format: https://prometheus.io/docs/instrumenting/exposition_formats/

/** Content type of the format. */
export const expositionContentType = "text/plain; version=0.0.4; charset=utf-8";

/** All samples of one name. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** A family without samples is left out. */
  readonly samples: readonly Sample[];
}

/** One value with its labels. */
export interface Sample {
  /** What is added to the name, for the parts of a histogram. Default nothing. */
  readonly suffix?: "_bucket" | "_sum" | "_count";
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Writes the families in the order given. */
export function formatExposition(families: Iterable<MetricFamily>): string {
  let text = "";
  for (const { name, help, type, samples } of families) {
    if (samples.length === 0) continue;
    text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
    for (const { suffix = "", labels, value } of samples) text += `${name}${suffix}${formatLabels(labels)} ${formatValue(value)}\n`;
  }
  return text;
}

function formatLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function formatValue(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
