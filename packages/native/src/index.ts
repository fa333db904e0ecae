// The few system calls that Node lacks. Linux with the GNU C library, x86-64 and arm64.

export { type Capability, capabilities, dropCapabilities, hasCapability } from "./capabilities.ts";
export * from "./directory.ts";
export * from "./errno.ts";
export { exitNow } from "./exitNow.ts";
export { waitsSoFar } from "./contextSwitches.ts";
export { giveBackFreedMemory } from "./freedMemory.ts";
export * from "./fileAt.ts";
export * from "./fileTimes.ts";
export * from "./namespace.ts";
export { openat } from "./openat.ts";
export * from "./openat2.ts";
export { originalDestination } from "./originalDestination.ts";
export * from "./listeningSocket.ts";
export { markedTcpSocket } from "./markedSocket.ts";
export { NetfilterSocket } from "./netfilter.ts";
export { endWithParent } from "./endWithParent.ts";
export { formatIpv6, type SocketAddress } from "./socketAddress.ts";
export * from "./statfs.ts";
export { isAtEnd, sendNow } from "./streamSocket.ts";
export { SystemCallError } from "./systemCall.ts";
export type { Path } from "./cString.ts";
export * from "./filePosition.ts";
export { pipeHasWriter } from "./pipeWriter.ts";
export { keepAccessTime, readCached, readInMemory, ReadMemory, type ReadPart } from "./readNow.ts";
export * from "./statx.ts";
export * from "./unixSocket.ts";
export { endWhenPeerVanishes, type VanishedPeerTimes } from "./vanishedPeer.ts";
