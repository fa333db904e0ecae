// A file's metadata as the JSON of `ls` and `find`.

import type { FileType, Stats } from "@understudy/client";

export function metadataJson(path: string, type: FileType, stats: Stats | null, link: string | null = null): string {
  const common = { path, type };
  if (stats === null) return JSON.stringify(common);
  const { size, mode, nlink, uid, gid, ino } = stats;
  const mtime = stats.mtime?.toISOString() ?? null;
  return JSON.stringify({
    ...common,
    size,
    mode: `0${(mode & 0o7777).toString(8)}`,
    nlink,
    uid,
    gid,
    ino,
    mtime,
    ...(link === null ? {} : { link }),
  });
}
