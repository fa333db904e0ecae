// What tells one target from another: its host name and how many variables it has. What cannot be read is null; that is no failure of the agent's.

import { AgentError, type Session } from "@understudy/client";

const HOST_NAME_MAX_BYTES = 255;

export interface TargetIdentity {
  /** First line of the target's /etc/hostname. */
  readonly hostName: string | null;
  readonly variables: number | null;
}

/** @throws SessionClosedError */
export async function targetIdentity(session: Session): Promise<TargetIdentity> {
  const hostName = await unlessRefused(firstLine(session, "/etc/hostname"));
  const variables = await unlessRefused(session.env());
  return { hostName: hostName === "" ? null : hostName, variables: variables?.size ?? null };
}

async function firstLine({ files }: Session, path: string): Promise<string> {
  const fd = await files.open(path);
  const bytes = await files.read(fd, HOST_NAME_MAX_BYTES);
  await files.close(fd);
  return Buffer.from(bytes).toString("utf8").split("\n")[0]?.trim() ?? "";
}

async function unlessRefused<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof AgentError) return null;
    throw error;
  }
}
