// What the manifests of deploy/ say, for tests.

import { readFile } from "node:fs/promises";
import { parse } from "yaml";

/** The fields of a container that tests look at. */
export interface ContainerPart {
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly resources?: unknown;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly securityContext: {
    readonly privileged: boolean;
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem: boolean;
    readonly runAsUser: number;
    readonly runAsGroup: number;
    readonly seccompProfile: { readonly type: string };
    readonly capabilities: { readonly drop: readonly string[]; readonly add: readonly string[] };
  };
}

export interface PodPart {
  readonly restartPolicy: string;
  readonly nodeName: string;
  readonly hostPID: boolean;
  readonly hostNetwork: boolean;
  readonly automountServiceAccountToken: boolean;
  readonly tolerations: unknown;
  readonly containers: readonly ContainerPart[];
  readonly volumes: readonly { readonly name: string; readonly hostPath: { readonly path: string } }[];
}

interface Metadata {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface JobManifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly spec: {
    readonly backoffLimit: number;
    readonly ttlSecondsAfterFinished: number;
    readonly template: { readonly metadata: Omit<Metadata, "name">; readonly spec: PodPart };
  };
}

/** A file of deploy/, with YAML that Kubernetes takes as well: no duplicate keys, plain types. */
export async function readManifest(name: string): Promise<unknown> {
  return parse(await readFile(new URL(`../../deploy/${name}`, import.meta.url), "utf8"), { strict: true, uniqueKeys: true });
}

export async function targetedJob(): Promise<JobManifest> {
  return (await readManifest("targeted-job.yaml")) as JobManifest;
}

/** The job's only container. */
export async function targetedContainer(): Promise<ContainerPart> {
  const [container] = (await targetedJob()).spec.template.spec.containers;
  if (container === undefined) throw new Error("the job has no container");
  return container;
}

export async function ephemeralContainer(): Promise<ContainerPart> {
  return (await readManifest("ephemeral-container.yaml")) as ContainerPart;
}
