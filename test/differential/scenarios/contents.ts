// Reading, writing, seeking, and what changes an open file.

import * as ask from "../requests.ts";
import { burst, type Scenario, script, type World } from "../scenario.ts";
import { bigSize } from "../tree.ts";

const unknownIds = [0, 7, 2n ** 53n, 2n ** 64n - 1n] as const;

export function contentsScenarios({ tree }: World): readonly Scenario[] {
  const file = `${tree}/file`;
  return [
    {
      name: "read: to the end and beyond",
      steps: script(ask.open(file), ask.read(0, 4), ask.read(0, 4), ask.read(0, 4), ask.read(0, 4), ask.read(0, 4)),
    },
    { name: "read: no bytes", steps: script(ask.open(file), ask.read(0, 0), ask.read(0, 1)) },
    { name: "read: an empty file", steps: script(ask.open(`${tree}/nothing`), ask.read(0, 10), ask.readAt(0, 0, 10)) },
    { name: "read: more than there is", steps: script(ask.open(file), ask.read(0, 65_536), ask.readAt(0, 3, 65_536)) },
    { name: "read: a file opened for writing", steps: script(ask.open(file, "w"), ask.read(0, 4), ask.readAt(0, 0, 4)) },
    { name: "read: a folder", steps: script(ask.open(`${tree}/dir`), ask.read(0, 4), ask.readAt(0, 0, 4)) },
    { name: "read: unknown files", steps: script(...unknownIds.flatMap((id) => [ask.read(id, 4), ask.readAt(id, 0, 4)])) },
    { name: "read: a closed file", steps: script(ask.open(file), ask.close(0), ask.read(0, 4)) },
    { name: "read: a directory stream", steps: script(ask.open(`${tree}/dir`), ask.openDir(0), ask.read(1, 4)) },
    { name: "read: a file that was removed", steps: script(ask.open(file), ask.unlink(file), ask.read(0, 4), ask.stat(file)) },
    {
      name: "read at: anywhere",
      steps: script(ask.open(file), ...[0, 3, 9, 10, 11, 1e6].map((at) => ask.readAt(0, at, 4)), ask.read(0, 4)),
    },
    {
      name: "read at: positions that no file has",
      steps: script(ask.open(file), ask.readAt(0, 2n ** 63n - 1n, 4), ask.readAt(0, 2n ** 63n, 4), ask.readAt(0, 2n ** 64n - 1n, 4)),
    },
    { name: "read: a device of zeros", steps: script(ask.open("/dev/zero"), ask.read(0, 16), ask.open("/dev/null"), ask.read(1, 16)) },
    {
      name: "read: a big file with a hole",
      steps: script(
        ask.open(`${tree}/big`),
        ask.fstat(0),
        ask.readAt(0, 4_000_000_000, 8),
        ask.seek(0, "start", bigSize - 3),
        ask.read(0, 10),
        ask.seek(0, "end", -5),
        ask.read(0, 3),
      ),
    },
    {
      name: "write: at the position",
      steps: script(
        ask.open(file, "rw"),
        ask.write(0, "ab"),
        ask.write(0, ""),
        ask.write(0, "cd"),
        ask.seek(0, "start", 0),
        ask.read(0, 100),
      ),
    },
    {
      name: "write: beyond the end",
      steps: script(ask.open(file, "rw"), ask.seek(0, "start", 12), ask.write(0, "x"), ask.readAt(0, 0, 100), ask.fstat(0)),
    },
    {
      name: "write: appended",
      steps: script(
        ask.open(file, "ra"),
        ask.write(0, "x"),
        ask.seek(0, "start", 0),
        ask.write(0, "y"),
        ask.writeAt(0, 0, "z"),
        ask.readAt(0, 0, 100),
      ),
    },
    {
      name: "write: a file opened for reading",
      steps: script(ask.open(file), ask.write(0, "x"), ask.writeAt(0, 0, "x"), ask.write(0, "")),
    },
    { name: "write: a folder", steps: script(ask.open(`${tree}/dir`), ask.write(0, "x"), ask.writeAt(0, 0, "x")) },
    { name: "write: unknown files", steps: script(...unknownIds.flatMap((id) => [ask.write(id, "x"), ask.writeAt(id, 0, "x")])) },
    {
      name: "write at: anywhere",
      steps: script(ask.open(file, "rw"), ask.writeAt(0, 2, "ab"), ask.writeAt(0, 20, "cd"), ask.writeAt(0, 0, ""), ask.read(0, 100)),
    },
    {
      name: "write at: positions that no file has",
      steps: script(ask.open(file, "rw"), ask.writeAt(0, 2n ** 63n, "x"), ask.writeAt(0, 2n ** 64n - 1n, "x"), ask.fstat(0)),
    },
    {
      name: "write: two openings of one file",
      steps: script(ask.open(file, "rw"), ask.open(file, "rw"), ask.write(0, "ab"), ask.read(1, 100), ask.write(1, "cd"), ask.read(0, 100)),
    },
    { name: "write: a truncated file", steps: script(ask.open(file, "wt"), ask.fstat(0), ask.write(0, "x"), ask.stat(file)) },
    { name: "write: full device", steps: script(ask.open("/dev/full", "w"), ask.write(0, "x"), ask.write(0, "y")) },
    {
      name: "seek: everywhere",
      steps: script(
        ask.open(file),
        ask.seek(0, "current", 0),
        ask.seek(0, "start", 5),
        ask.seek(0, "current", 3),
        ask.seek(0, "current", -2),
        ask.seek(0, "end", 0),
        ask.seek(0, "end", -4),
        ask.seek(0, "end", 100),
        ask.read(0, 4),
        ask.seek(0, "start", 0),
        ask.read(0, 2),
        ask.seek(0, "current", 0),
      ),
    },
    {
      name: "seek: positions that no file has",
      steps: script(
        ask.open(file),
        ask.seek(0, "current", -1),
        ask.seek(0, "end", -11),
        ask.seek(0, "start", 2n ** 63n),
        ask.seek(0, "start", 2n ** 64n - 1n),
        ask.seek(0, "current", -(2n ** 63n)),
        ask.seek(0, "end", 2n ** 63n - 1n),
        ask.seek(0, "current", 0),
      ),
    },
    {
      name: "seek: not files",
      steps: script(
        ask.open(`${tree}/dir`),
        ask.seek(0, "start", 0),
        ask.seek(1, "end", 0),
        ask.seek(2n ** 64n - 1n, "current", 0),
        ask.open("/dev/null"),
        ask.seek(1, "start", 5),
      ),
    },
    {
      name: "close: twice and unknown",
      steps: script(
        ask.open(file),
        ask.close(0),
        ask.close(0),
        ask.close(99),
        ask.closeDir(99),
        ask.close(2n ** 64n - 1n),
        ask.open(file),
        ask.read(1, 2),
      ),
    },
    { name: "close: a folder", steps: script(ask.open(`${tree}/dir`), ask.close(0), ask.openAt(0, "file"), ask.fstat(0)) },
    { name: "close: a file as a directory", steps: script(ask.open(file), ask.closeDir(0), ask.read(0, 2)) },
    {
      name: "order: many requests at once",
      steps: [
        burst(
          ask.open(file),
          ask.open(`${tree}/missing`),
          ask.read(0, 3),
          ask.fstat(0),
          ask.readAt(0, 8, 9),
          ask.close(0),
          ask.read(0, 1),
          ask.open(`${tree}/dir`),
          ask.openAt(1, "file"),
          ask.read(2, 100),
        ),
      ],
    },

    {
      name: "ftruncate: shorter and longer",
      steps: script(
        ask.open(file, "rw"),
        ask.ftruncate(0, 4),
        ask.fstat(0),
        ask.ftruncate(0, 8),
        ask.read(0, 100),
        ask.ftruncate(0, 0),
        ask.fstat(0),
        ask.stat(file),
      ),
    },
    {
      name: "ftruncate: bad lengths",
      steps: script(ask.open(file, "rw"), ask.ftruncate(0, -1), ask.ftruncate(0, -(2n ** 63n)), ask.fstat(0)),
    },
    {
      name: "ftruncate: what cannot be",
      steps: script(ask.open(file), ask.ftruncate(0, 1), ask.open(`${tree}/dir`), ask.ftruncate(1, 1), ask.ftruncate(9, 1)),
    },
    {
      name: "futimens: times",
      steps: script(
        ask.open(file),
        ask.futimens(0, [
          { tvSec: 1000, tvNsec: 111_111_111 },
          { tvSec: 2000, tvNsec: 222_222_222 },
        ]),
        ask.fstat(0),
        ask.futimens(0, [
          { tvSec: -5, tvNsec: 222_222_222 },
          { tvSec: 0, tvNsec: 0 },
        ]),
        ask.fstat(0),
        ask.futimens(0, [
          { tvSec: 5_000_000_000, tvNsec: 999_999_999 },
          { tvSec: 7, tvNsec: 0x3ffffffe },
        ]),
        ask.fstat(0),
        ask.futimens(0, [
          { tvSec: 7, tvNsec: 0x3ffffffe },
          { tvSec: 3, tvNsec: 111_111_111 },
        ]),
        ask.fstat(0),
        ask.futimens(0, [
          { tvSec: 7, tvNsec: 0x3fffffff },
          { tvSec: 3, tvNsec: 222_222_222 },
        ]),
        ask.fstat(0),
        ask.futimens(0, null),
        ask.fstat(0),
      ),
    },
    {
      name: "futimens: times that are none",
      steps: script(
        ask.open(file),
        ask.futimens(0, [
          { tvSec: 1, tvNsec: 1_000_000_000 },
          { tvSec: 1, tvNsec: 0 },
        ]),
        ask.futimens(0, [
          { tvSec: 1, tvNsec: 0 },
          { tvSec: 1, tvNsec: -1 },
        ]),
        ask.futimens(0, [
          { tvSec: 1, tvNsec: 2n ** 63n - 1n },
          { tvSec: 1, tvNsec: 0 },
        ]),
        ask.fstat(0),
      ),
    },
    { name: "futimens: not files", steps: script(ask.open(`${tree}/dir`), ask.futimens(0, null), ask.futimens(5, null)) },
    {
      name: "fchmod: modes",
      steps: script(
        ask.open(file),
        ...[0o600, 0o4755, 0o7777, 0o100644, 0o200777, 0xffffffff, 0].flatMap((mode) => [ask.fchmod(0, mode), ask.fstat(0)]),
      ),
    },
    { name: "fchmod: not files", steps: script(ask.open(`${tree}/dir`), ask.fchmod(0, 0o700), ask.fchmod(5, 0o700)) },
    {
      name: "fchown: owners",
      needs: "root",
      steps: script(
        ask.open(file),
        ask.fchown(0, 1234, 5678),
        ask.fstat(0),
        ask.fchown(0, 0xffffffff, 99),
        ask.fstat(0),
        ask.fchown(0, 98, 0xffffffff),
        ask.fstat(0),
        ask.fchown(0, 0xffffffff, 0xffffffff),
        ask.fstat(0),
      ),
    },
    {
      name: "fchown: not files",
      steps: script(ask.open(`${tree}/dir`), ask.fchown(0, 0xffffffff, 0xffffffff), ask.fchown(5, 0xffffffff, 0xffffffff)),
    },
  ];
}
