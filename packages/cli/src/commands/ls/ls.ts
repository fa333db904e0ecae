// `understudy ls`: directories of the target, sorted by name.

import type { FileType, Stats, TargetFiles } from "@understudy/client";
import type { AgentOptions } from "../../agent/agentChoice.ts";
import { withSession } from "../../agent/withAgent.ts";
import type { Output } from "../../output.ts";
import { Failures } from "../../targetFiles/failures.ts";
import { metadataJson } from "../../targetFiles/metadataJson.ts";
import { below, shownPath } from "../../targetFiles/targetPath.ts";
import { type Found, walk } from "../../targetFiles/walk.ts";
import { longLine } from "./longLine.ts";

export interface LsCommandOptions extends AgentOptions {
  readonly paths: readonly string[];
  readonly long: boolean;
  readonly all: boolean;
  readonly recursive: boolean;
  readonly json: boolean;
}

/** Resolves with the exit code. */
export async function ls(options: LsCommandOptions, output: Output): Promise<number> {
  return await withSession(options, output, async ({ files }) => {
    const listing = new Listing(files, options, output);
    for (const path of options.paths) {
      await listing.path(path);
      if (output.isReaderGone) return 0;
    }
    return listing.failures.exitCode;
  });
}

class Listing {
  readonly failures: Failures;
  readonly #files: TargetFiles;
  readonly #options: LsCommandOptions;
  readonly #output: Output;
  /** With more than one directory each is named. */
  readonly #hasHeadings: boolean;
  #isFirst = true;

  constructor(files: TargetFiles, options: LsCommandOptions, output: Output) {
    this.#files = files;
    this.#options = options;
    this.#output = output;
    this.#hasHeadings = !options.json && (options.recursive || options.paths.length > 1);
    this.failures = new Failures((text) => output.note(text));
  }

  async path(path: string): Promise<void> {
    try {
      // As ls(1) does, a link that is named is followed only where its metadata is not wanted.
      const stats = this.#options.long ? await this.#files.lstat(path) : await this.#files.stat(path);
      if (stats.isDirectory()) await this.#directory(path);
      else await this.#entry(path, path, stats.type, stats);
    } catch (error) {
      this.failures.add(path, error);
    }
  }

  async #directory(path: string): Promise<void> {
    const { long, json, all, recursive } = this.#options;
    const entries: Found[] = [];
    for await (const found of walk(this.#files, below(path, ""), { maxDepth: 1, needsStats: long || json, failures: this.failures })) {
      if (found.depth === 1 && (all || !found.name.startsWith("."))) entries.push(found);
    }
    entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    await this.#heading(path);
    for (const { name, type, stats } of entries) await this.#entry(below(path, name), name, type, stats);
    if (!recursive) return;
    for (const { name, type } of entries) {
      if (this.#output.isReaderGone) return;
      if (type === "directory") await this.#directory(below(path, name));
    }
  }

  async #heading(path: string): Promise<void> {
    if (!this.#hasHeadings) return;
    const gap = this.#isFirst ? "" : "\n";
    this.#isFirst = false;
    await this.#output.line(`${gap}${shownPath(path, this.#output)}:`);
  }

  async #entry(path: string, name: string, type: FileType, stats: Stats | null): Promise<void> {
    const { long, json } = this.#options;
    const link = type === "symlink" && (long || json) ? await this.#linkTarget(path) : null;
    if (json) {
      await this.#output.line(metadataJson(path, type, stats, link));
      return;
    }
    const shown = shownPath(name, this.#output);
    const text = long && stats !== null ? longLine(stats, shown, link === null ? null : shownPath(link, this.#output)) : shown;
    await this.#output.line(text);
  }

  async #linkTarget(path: string): Promise<string | null> {
    try {
      return await this.#files.readlink(path);
    } catch (error) {
      this.failures.add(path, error);
      return null;
    }
  }
}
