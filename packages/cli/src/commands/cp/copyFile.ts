// One file, to a part beside its new name, which it gets when it is complete.

import type { Progress } from "../../progress.ts";
import { below } from "../../targetFiles/targetPath.ts";
import { partName } from "./partName.ts";
import type { Part, Side, SideStats } from "./side.ts";

/** Before a copy is continued so much of it is compared with the source. */
const COMPARED_BYTES = 256 * 1024;

export interface FileJob {
  readonly source: string;
  /** Directory and name of the copy. */
  readonly directory: string;
  readonly name: string;
  /** Of the source, when it was found. */
  readonly stats: SideStats;
}

export interface Copied {
  readonly bytes: number;
  /** Where it was continued; 0 when it began anew. */
  readonly resumedAt: number;
  /** The source is not what it was when the copy began. */
  readonly hasChanged: boolean;
}

export interface CopySides {
  readonly from: Side;
  readonly to: Side;
}

/** Leaves the part when it fails. */
export async function copyFile({ from, to }: CopySides, job: FileJob, resumes: boolean, progress: Progress): Promise<Copied> {
  const { source, directory, name, stats } = job;
  const partPath = below(directory, partName(name, stats));
  const { bytes, resumedAt } = await writePart({ from, to }, job, partPath, resumes, progress);
  const after = await from.stat(source, true);
  await to.rename(partPath, below(directory, name));
  return { bytes, resumedAt, hasChanged: after.size !== stats.size || after.version !== stats.version };
}

async function writePart(
  { from, to }: CopySides,
  { source, stats }: FileJob,
  partPath: string,
  resumes: boolean,
  progress: Progress,
): Promise<Omit<Copied, "hasChanged">> {
  await using part = await to.openPart(partPath, resumes);
  if (!(await isBeginning(part, from, source))) await part.restart();
  const resumedAt = part.size;
  progress.skip(resumedAt);
  for await (const piece of from.pieces(source, resumedAt)) {
    await part.write(piece);
    progress.advance(piece.length);
  }
  await part.finish(stats);
  return { bytes: part.size, resumedAt };
}

/** Whether the end of what is there is what the source has at that place: its name alone does not prove it. */
async function isBeginning(part: Part, from: Side, source: string): Promise<boolean> {
  if (part.size === 0) return true;
  const length = Math.min(part.size, COMPARED_BYTES);
  const start = part.size - length;
  const pieces: Uint8Array[] = [];
  for await (const piece of from.pieces(source, start, part.size - 1)) pieces.push(piece);
  return Buffer.concat(pieces).equals(await part.read(start, length));
}
