/**
 * What is submitted, and under which key.
 *
 * @module
 */

import type { Encoded, HomeKind, HomePermissions, SubmitBody } from "../protocol/mod.ts";
import { workerList } from "./arguments.ts";
import { sha256 } from "./sha256.ts";
import type { ResolvedTarget } from "./targets.ts";
import type { SubmitOptions } from "./types.ts";

/** Options of one submission: those of `submit`, or of a node and its graph together. */
export interface SubmissionOptions extends SubmitOptions {
  /** Whether it is an actor. */
  readonly actor: boolean;
  /** Whether a task may run again where its result was lost. */
  readonly repeatable: boolean;
}

/** The body of a submission. */
export function createSubmitBody(target: ResolvedTarget, options: SubmissionOptions): SubmitBody {
  const { actor, timeout } = options;
  const isolation = homeOf(options);
  return {
    target: {
      module: target.module,
      export: target.export,
      name: target.name,
      byValue: target.source !== undefined,
      version: options.version,
    },
    actor,
    home: isolation ?? target.home,
    homeFixed: isolation !== undefined,
    workers: workerList(options.workers),
    allowOtherWorkers: options.allowOtherWorkers,
    resources: options.resources && { ...options.resources },
    priority: options.priority,
    retries: options.retries,
    timeout: timeout === Infinity ? undefined : timeout,
    detached: options.detached,
    pure: actor ? undefined : options.repeatable,
    permissions: options.permissions && copyPermissions(options.permissions),
    memoryLimit: finite(options.memoryLimit),
    onStuck: options.onStuck,
    maxPending: finite(options.maxPending),
    concurrency: options.concurrency === Infinity ? Number.MAX_SAFE_INTEGER : options.concurrency,
  };
}

/** What its user chose, or what the rest that he wants needs. */
function homeOf({ isolation, permissions = "inherit", memoryLimit }: SubmissionOptions): HomeKind | undefined {
  if (isolation !== undefined) return isolation;
  if (memoryLimit !== undefined) return "process";
  return permissions === "inherit" ? undefined : "dedicated";
}

/** No bound at all is none that has to be told. */
function finite(bound: number | undefined): number | undefined {
  return bound === Infinity ? undefined : bound;
}

function copyPermissions(permissions: NonNullable<SubmitOptions["permissions"]>): HomePermissions {
  if (typeof permissions === "string") return permissions;
  const copy = Object.entries(permissions).map(([name, grant]): [string, boolean | "inherit" | string[]] => {
    return [name, typeof grant === "object" ? [...grant] : grant];
  });
  return Object.fromEntries(copy);
}

const utf8 = new TextEncoder();

/** The key that equal submissions share: 128 bits of a digest over what runs and its arguments. */
export function createPureKey(name: string, { target, actor }: SubmitBody, args: Encoded): string {
  const what = utf8.encode(JSON.stringify([target.module, target.export, target.version ?? null, actor]));
  return `${name}-${sha256(what, args.bytes).slice(0, 32)}`;
}
