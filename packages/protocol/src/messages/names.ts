// Name look-ups and environment variables of the target.

import type { Infer } from "../codec.ts";
import { enumeration, list, map, result, set, struct } from "../composites.ts";
import { ipAddr } from "../netAddress.ts";
import { i32, text, u16 } from "../primitives.ts";
import { ResponseError } from "./errors.ts";

/** Patterns of variable names with `*` and `?`: those not wanted and those wanted; empty `envVarsSelect` means all. */
export const GetEnvVarsRequest = struct({ envVarsFilter: set(text), envVarsSelect: set(text) });
export type GetEnvVarsRequest = Infer<typeof GetEnvVarsRequest>;
export const RemoteEnvVars = map(text, text);
export type RemoteEnvVars = Infer<typeof RemoteEnvVars>;

/** Looks up the IPv4 addresses of a name. */
export const GetAddrInfoRequest = struct({ node: text });
export type GetAddrInfoRequest = Infer<typeof GetAddrInfoRequest>;

/** `both` asks for A and AAAA, `any` for AAAA only when there is no A. */
export const AddressFamily = enumeration("AddressFamily", ["ipv4Only", "ipv6Only", "both", "any", "unknownAddressFamilyFromNewerClient"]);
export type AddressFamily = Infer<typeof AddressFamily>;
export const SockType = enumeration("SockType", ["stream", "dgram", "any", "unknownSockTypeFromNewerClient"]);
export type SockType = Infer<typeof SockType>;
/** As getaddrinfo(3). Agents use `node` and `family` only. Answered by `getAddrInfoResponse`, in one order with the first form. */
export const GetAddrInfoRequestV2 = struct({
  node: text,
  servicePort: u16,
  family: AddressFamily,
  socktype: SockType,
  flags: i32,
  protocol: i32,
});
export type GetAddrInfoRequestV2 = Infer<typeof GetAddrInfoRequestV2>;

export const LookupRecord = struct({ name: text, ip: ipAddr });
export type LookupRecord = Infer<typeof LookupRecord>;
export const DnsLookup = list(LookupRecord);
export type DnsLookup = Infer<typeof DnsLookup>;
export const GetAddrInfoResponse = result(DnsLookup, ResponseError);
export type GetAddrInfoResponse = Infer<typeof GetAddrInfoResponse>;

export const ReverseDnsLookupRequest = struct({ ipAddress: ipAddr });
export type ReverseDnsLookupRequest = Infer<typeof ReverseDnsLookupRequest>;
/** A look-up that failed is the inner error; agents never use the outer one. */
export const ReverseDnsLookupResponse = struct({ hostname: result(text, ResponseError) });
export type ReverseDnsLookupResponse = Infer<typeof ReverseDnsLookupResponse>;
