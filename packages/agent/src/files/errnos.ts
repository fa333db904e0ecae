// Linux error numbers that the file domain makes up or looks for, beside those that `native` names.

export { EACCES, EAGAIN, EEXIST, EINTR, EINVAL, ELOOP, EMFILE, ENOENT, ENOSYS, ENOTDIR, EPERM, EXDEV } from "@understudy/native";
export { errnoOf } from "../errors/remoteError.ts";

/** No such device or address: also a FIFO opened for writing that nobody reads. */
export const ENXIO = 6;
export const EISDIR = 21;
export const EFBIG = 27;
export const ENAMETOOLONG = 36;
