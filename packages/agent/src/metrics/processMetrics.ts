// What Prometheus expects of every process: CPU, memory, descriptors, threads. Read from /proc when somebody asks,
// in the thread pool, so a scrape does not hold up the event loop.

import { readFile, readdir } from "node:fs/promises";
import type { MetricFamily } from "./exposition.ts";

/** Reads the `process_*` families. What cannot be read is left out. */
export async function readProcessMetrics(): Promise<MetricFamily[]> {
  const [status, limits, descriptors] = await Promise.all([
    readFile("/proc/self/status", "utf8").catch(() => ""),
    readFile("/proc/self/limits", "utf8").catch(() => ""),
    readdir("/proc/self/fd").catch(() => []),
  ]);
  const cpu = process.cpuUsage();
  const kib = (name: string): number | undefined => scale(statusNumber(status, name), 1024);
  const families: (MetricFamily | null)[] = [
    {
      name: "process_cpu_seconds_total",
      help: "Total user and system CPU time spent in seconds.",
      type: "counter",
      samples: [{ labels: {}, value: (cpu.user + cpu.system) / 1e6 }],
    },
    gauge("process_max_fds", "Maximum number of open file descriptors.", openFilesMax(limits)),
    // Listing the directory takes a descriptor of its own.
    gauge("process_open_fds", "Number of open file descriptors.", descriptors.length === 0 ? undefined : descriptors.length - 1),
    gauge("process_resident_memory_bytes", "Resident memory size in bytes.", kib("VmRSS")),
    gauge(
      "process_start_time_seconds",
      "Start time of the process since unix epoch in seconds.",
      Math.floor(performance.timeOrigin) / 1000,
    ),
    gauge("process_threads", "Number of OS threads in the process.", statusNumber(status, "Threads")),
    gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", kib("VmSize")),
  ];
  return families.filter((family) => family !== null);
}

function gauge(name: string, help: string, value: number | undefined): MetricFamily | null {
  return value === undefined ? null : { name, help, type: "gauge", samples: [{ labels: {}, value }] };
}

function scale(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}

function statusNumber(status: string, name: string): number | undefined {
  const match = new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

function openFilesMax(limits: string): number | undefined {
  const match = /^Max open files\s+(\d+|unlimited)/m.exec(limits);
  if (match?.[1] === undefined) return undefined;
  return match[1] === "unlimited" ? Infinity : Number(match[1]);
}
