// Lets packets with an outside source be redirected to loopback (`route_localnet`), which Istio's ambient mode needs: its proxy hands connections
// over inside the pod with the peer's own address. The setting is the whole pod's, so agents that share the pod write down in a chain of
// iptables what it was before, and who needs it; the last one to leave restores it. The names are the reference agent's, which takes part.
//
// The chain is never entered by a packet, and its rules match none. There is no such setting for IPv6.

import { readFile, writeFile } from "node:fs/promises";
import { RedirectError } from "./redirectError.ts";
import { type Backend, changeRules, readRules } from "./xtables.ts";

const chain = "MRD_ROUTE_LOCALNET";
const originalPrefix = "mirrord-localnet-original-";
const refPrefix = "mirrord-localnet-ref-";
const setting = "/proc/sys/net/ipv4/conf/all/route_localnet";

const note = (comment: string): string => `${chain} -p 255 -m comment --comment ${comment} -j RETURN`;

interface Notes {
  readonly isThere: boolean;
  readonly original: string | null;
  readonly refs: readonly string[];
}

async function readNotes(backend: Backend): Promise<Notes> {
  const lines = await readRules("ipv4", backend, ["nat"], (line) => line.includes(chain));
  const comments = lines.flatMap((line) => /--comment "?([^" ]+)/.exec(line)?.[1] ?? []);
  const after = (prefix: string): string[] => comments.filter((text) => text.startsWith(prefix)).map((text) => text.slice(prefix.length));
  return {
    isThere: lines.some((line) => line.startsWith(`:${chain} `)),
    original: after(originalPrefix)[0] ?? null,
    refs: after(refPrefix),
  };
}

/**
 * Switches it on until the result is disposed of.
 *
 * @param ref who needs it; unlike that of any other agent in the pod.
 * @throws RedirectError where the setting cannot be changed; XtablesError where that cannot be written down.
 */
export async function openRouteLocalnet(backend: Backend, ref: string): Promise<AsyncDisposable> {
  const notes = await readNotes(backend);
  // An empty chain is what an agent left that could not remove it.
  if (notes.original === null && notes.refs.length === 0) {
    const original = await readFile(setting, "utf8").then(
      (text) => text.trim(),
      () => "0",
    );
    try {
      await changeRules("ipv4", backend, [...(notes.isThere ? [] : [`-N ${chain}`]), `-A ${note(originalPrefix + original)}`]);
    } catch (error) {
      // Another agent may have been faster.
      if ((await readNotes(backend)).original === null) throw error;
    }
  }
  if (!notes.refs.includes(ref)) await changeRules("ipv4", backend, [`-A ${note(refPrefix + ref)}`]);
  try {
    await writeFile(setting, "1");
  } catch (cause) {
    await forget(backend, ref);
    throw new RedirectError("unavailable", `${setting} cannot be changed, which redirecting in an ambient mesh needs`, { cause });
  }
  return { [Symbol.asyncDispose]: async () => void (await closeRouteLocalnet(backend, ref)) };
}

/**
 * Takes back what {@link openRouteLocalnet} did, also for an agent that is gone. Does nothing where no such agent wrote itself down.
 *
 * @returns whether there was one.
 */
export async function closeRouteLocalnet(backend: Backend, ref: string): Promise<boolean> {
  const { original, refs } = await readNotes(backend);
  if (!refs.includes(ref)) return false;
  // First the setting: as long as the notes are there, the next agent can do it.
  if (refs.every((other) => other === ref)) await writeFile(setting, original ?? "0");
  await forget(backend, ref);
  return true;
}

/** Removes the note of one agent, and with the last all notes. */
async function forget(backend: Backend, ref: string): Promise<void> {
  const { refs } = await readNotes(backend);
  const isLast = refs.every((other) => other === ref);
  await changeRules("ipv4", backend, isLast ? [`-F ${chain}`, `-X ${chain}`] : [`-D ${note(refPrefix + ref)}`]);
}
