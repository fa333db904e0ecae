// What copying needs of either side, so that both directions are one piece of code.

import type { FileType } from "@understudy/client";

export interface SideStats {
  readonly type: FileType;
  readonly size: number;
  /** Permissions alone. */
  readonly mode: number;
  /** Null where the side does not tell it. */
  readonly mtimeNs: bigint | null;
  /** The same for the same file. */
  readonly identity: string;
  /** Another one when the file was changed, as far as its side lets that be seen. For names of files. */
  readonly version: string;
}

/** A file that is being written; the same name again continues it. */
export interface Part extends AsyncDisposable {
  /** Bytes that it has. */
  readonly size: number;
  read(start: number, length: number): Promise<Uint8Array>;
  /** Empties it. */
  restart(): Promise<void>;
  /** Writes what follows. `bytes` must not change afterwards. */
  write(bytes: Uint8Array): Promise<void>;
  /** All is written, with the source's mode and time as far as they can be set. */
  finish(source: SideStats): Promise<void>;
}

export interface Side {
  /** @throws an error with the code ENOENT when there is nothing. */
  stat(path: string, follows: boolean): Promise<SideStats>;
  /** Names, as the side tells them. */
  names(directory: string): AsyncIterable<string>;
  /** From `start` to `end`, the last byte; to the file's end without. */
  pieces(path: string, start: number, end?: number): AsyncIterable<Uint8Array>;
  readLink(path: string): Promise<string>;
  /** False when there is one already. @throws when there is something else, such as a link. */
  makeDir(path: string): Promise<boolean>;
  /** Mode and time of a directory that was made. */
  finishDir(path: string, source: SideStats): Promise<void>;
  makeLink(path: string, text: string): Promise<void>;
  /** With what it has from before, if it is to be kept. */
  openPart(path: string, keeps: boolean): Promise<Part>;
  /** Replaces a file or a link, not what a link points to. */
  rename(from: string, to: string): Promise<void>;
}
