// Node's file functions by descriptor as promises, run in libuv's pool: call them through a share of it, which says who may have a thread. `node:fs/promises` has them only on objects that own their
// descriptor, which those of this domain must not: they come from openat2(2).

import fs from "node:fs";
import type { PoolShare } from "../task/threadPool.ts";
import { statusAtHand } from "./instantCalls.ts";

/** Runs a call that works on an open file, or on names in an open directory. */
export function onFileSystemOf<T>(pool: PoolShare, fd: number, work: () => Promise<T>): Promise<T> {
  return pool.run(statusAtHand(fd).device, work);
}

/** One read(2), or pread(2) with a position. @returns bytes read. */
export function readOnce(fd: number, buffer: Buffer, position: number | bigint | null): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, buffer, 0, buffer.length, position, (error, count) => (error ? reject(error) : resolve(count)));
  });
}

/** One write(2), or pwrite(2) with a position. `bytes` must stay as they are until it settles. @returns bytes written. */
export function writeOnce(fd: number, bytes: Uint8Array, position: number | null): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, bytes, 0, bytes.length, position, (error, count) => (error ? reject(error) : resolve(count)));
  });
}

type Done = (error: Error | null | undefined) => void;

function call(start: (done: Done) => void): Promise<void> {
  return new Promise((resolve, reject) => start((error) => (error ? reject(error) : resolve())));
}

export const close = (fd: number): Promise<void> => call((done) => fs.close(fd, done));
export const truncate = (fd: number, length: number): Promise<void> => call((done) => fs.ftruncate(fd, length, done));
export const changeMode = (fd: number, mode: number): Promise<void> => call((done) => fs.fchmod(fd, mode, done));
export const changeOwner = (fd: number, user: number, group: number): Promise<void> => call((done) => fs.fchown(fd, user, group, done));
