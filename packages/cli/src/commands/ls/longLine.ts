// A file's line in a long listing.

import type { FileType, Stats } from "@understudy/client";

const typeLetters: Readonly<Record<FileType, string>> = {
  file: "-",
  directory: "d",
  symlink: "l",
  fifo: "p",
  socket: "s",
  characterDevice: "c",
  blockDevice: "b",
  unknown: "?",
};

/** `shown` and `link` are printable where they have to be. */
export function longLine(stats: Stats, shown: string, link: string | null): string {
  const { nlink, uid, gid, size, mtime } = stats;
  const time = mtime === null ? "" : `${mtime.toISOString().slice(0, 19)}Z `;
  const numbers = [String(nlink).padStart(3), String(uid).padStart(5), String(gid).padStart(5), String(size).padStart(11)].join(" ");
  return `${modeText(stats)} ${numbers} ${time}${shown}${link === null ? "" : ` -> ${link}`}`;
}

/** As in `drwxr-sr-t`. */
export function modeText({ mode, type }: Pick<Stats, "mode" | "type">): string {
  const bit = (mask: number, letter: string): string => ((mode & mask) === 0 ? "-" : letter);
  const last = (execute: number, special: number, letter: string): string => {
    if ((mode & special) === 0) return bit(execute, "x");
    return (mode & execute) === 0 ? letter.toUpperCase() : letter;
  };
  const owner = bit(0o400, "r") + bit(0o200, "w") + last(0o100, 0o4000, "s");
  const group = bit(0o040, "r") + bit(0o020, "w") + last(0o010, 0o2000, "s");
  const others = bit(0o004, "r") + bit(0o002, "w") + last(0o001, 0o1000, "t");
  return typeLetters[type] + owner + group + others;
}
