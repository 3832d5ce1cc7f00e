/**
 * What a host asks its nanny, and the answers: all that takes running Deno, or ending a process.
 *
 * @module
 */

import { permissionsShape } from "../protocol/mod.ts";
import { list, object, optional, type Shaped, text, uint } from "../protocol/shape.ts";
import type { ModuleSource } from "./module_graph.ts";
import type { ProcessHomes } from "./process_homes.ts";

const nothing = object({});
const address = object({ address: text, secret: text });

/** The requests, with the shapes of what is asked. */
export const NANNY_REQUESTS = {
  /** Says that it runs, and where its data plane listens. */
  running: object({ address: text }),
  /** The files of a module's local graph: answered by `{ files }`. */
  listModules: object({ url: text }),
  /** Fetches a remote module anew. */
  reloadModule: object({ url: text }),
  /** Starts a process that is one home. It then dials its host. */
  startHome: object({
    home: text,
    host: address,
    memoryLimit: optional(uint),
    /** What its user lets it do; left out for what its host may. */
    permissions: optional(permissionsShape),
    /** What it has to reach and to read besides that. */
    net: list(text),
    read: list(text),
  }),
  /** Waits for the end of such a process: answered by `{ reason, code }`. */
  homeEnded: object({ home: text }),
  /** Ends such a process at once. */
  killHome: object({ home: text }),
  /** Names the largest values while memory is nearly full. */
  largest: object({ largest: text }),
  /** Has given up so many isolates that it wants to be replaced, when its calls have ended. */
  replace: nothing,
  /** An isolate is stuck, and its host is to be ended for that. */
  stuck: nothing,
} as const;

/** The name of a request. */
export type NannyRequestName = keyof typeof NANNY_REQUESTS;

/** What is asked. */
export type NannyAsked<N extends NannyRequestName> = Shaped<(typeof NANNY_REQUESTS)[N]>;

/** What the nanny does for one host. */
export interface HostRequests {
  /** Answers questions about modules. */
  readonly modules: ModuleSource;
  /** The processes that are homes of its actors. */
  readonly homes: ProcessHomes;
  /** The host runs. */
  readonly onRunning: (asked: NannyAsked<"running">) => void;
  /** The host's memory is nearly full. */
  readonly onLargest: (asked: NannyAsked<"largest">) => void;
  /** The host is to be replaced, when its calls have ended. */
  readonly onReplace: () => void;
  /** The host is to be ended at once. */
  readonly onStuck: () => void;
}

/**
 * Answers a request.
 *
 * @throws What is wrong with it, or why it cannot be done.
 */
export async function answerHost(
  { modules, homes, onRunning, onLargest, onReplace, onStuck }: HostRequests,
  name: string,
  body: unknown,
): Promise<object | void> {
  const answers: { [N in NannyRequestName]: (asked: NannyAsked<N>) => object | void | Promise<object | void> } = {
    running: onRunning,
    listModules: async ({ url }) => ({ files: await modules.list(url) ?? [] }),
    reloadModule: ({ url }) => modules.reload(url),
    startHome: ({ permissions, net, read, ...order }) => {
      homes.start({ ...order, grants: permissions === undefined ? undefined : { permissions, net, read } });
    },
    homeEnded: ({ home }) => homes.ended(home),
    killHome: ({ home }) => homes.kill(home),
    largest: onLargest,
    replace: onReplace,
    stuck: onStuck,
  };
  if (!Object.hasOwn(answers, name)) throw new TypeError(`Cannot answer ${name}`);
  const known = name as NannyRequestName;
  const answer = answers[known] as (asked: unknown) => object | void | Promise<object | void>;
  return await answer(NANNY_REQUESTS[known](body, name));
}
