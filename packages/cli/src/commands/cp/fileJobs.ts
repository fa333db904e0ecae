// The files of a tree to copy. Directories and links are made on the way; names are the source's, and must not lead out of the destination.

import type { Failures } from "../../targetFiles/failures.ts";
import { below, isHonestName } from "../../targetFiles/targetPath.ts";
import type { CopySides, FileJob } from "./copyFile.ts";
import { isPartName } from "./partName.ts";
import type { SideStats } from "./side.ts";
import { UnmakeableLinkError } from "./targetSide.ts";

export interface CopyWays {
  readonly isRecursive: boolean;
  readonly follows: boolean;
  readonly resumes: boolean;
}

/** Directories that were made, in order; they get mode and time when all that is in them is there. */
export type MadeDirs = { readonly path: string; readonly stats: SideStats }[];

export class FileJobs {
  readonly madeDirs: MadeDirs = [];
  readonly #sides: CopySides;
  readonly #ways: CopyWays;
  readonly #failures: Failures;

  constructor(sides: CopySides, ways: CopyWays, failures: Failures) {
    this.#sides = sides;
    this.#ways = ways;
    this.#failures = failures;
  }

  /** `ancestors` are the directories that led here by links and names: one that comes again is a loop. */
  async *below(
    source: string,
    directory: string,
    name: string,
    ancestors: readonly string[] = [],
  ): AsyncGenerator<FileJob, void, undefined> {
    const { from, to } = this.#sides;
    try {
      // Without -r there is one file, which is meant whatever leads to it.
      const stats = await from.stat(source, this.#ways.follows || !this.#ways.isRecursive);
      switch (stats.type) {
        case "file":
          yield { source, directory, name, stats };
          return;
        case "directory":
          yield* this.#directory(source, below(directory, name), stats, ancestors);
          return;
        case "symlink":
          await to.makeLink(below(directory, name), await from.readLink(source));
          return;
        case "fifo":
        case "socket":
        case "characterDevice":
        case "blockDevice":
        case "unknown":
          this.#failures.tell(`${source} is not copied: it is no file, directory or link`);
      }
    } catch (error) {
      if (error instanceof UnmakeableLinkError) this.#failures.tell(`${source}: ${error.message}`);
      else this.#failures.add(source, error);
    }
  }

  async *#directory(
    source: string,
    copy: string,
    stats: SideStats,
    ancestors: readonly string[],
  ): AsyncGenerator<FileJob, void, undefined> {
    const { from, to } = this.#sides;
    if (!this.#ways.isRecursive) {
      this.#failures.tell(`${source} is a directory: -r copies it`);
      return;
    }
    if (ancestors.includes(stats.identity)) {
      this.#failures.tell(`${source} is not copied: it leads back to a directory that it is in`);
      return;
    }
    if (await to.makeDir(copy)) this.madeDirs.push({ path: copy, stats });
    const path = [...ancestors, stats.identity];
    for await (const name of from.names(source)) {
      if (isHonestName(name) && !isPartName(name)) yield* this.below(below(source, name), copy, name, path);
      else this.#failures.tell(`${source}: an entry is refused for its name: ${name}`);
    }
  }
}
