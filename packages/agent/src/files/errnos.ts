// Linux error numbers that the file domain makes up or looks for, beside those that `native` names.

export { EAGAIN, EINTR, EINVAL, ENOENT, ENOTDIR, EXDEV } from "@understudy/native";
export { errnoOf } from "../errors/remoteError.ts";

/** No such device or address: also a FIFO opened for writing that nobody reads. */
export const ENXIO = 6;
export const EACCES = 13;
/** Too many open files. */
export const EMFILE = 24;
export const EFBIG = 27;
