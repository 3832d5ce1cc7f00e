/**
 * The states of a value: a task and its result, scattered data, or the result of a call; and every way from one to the
 * next.
 *
 * @module
 */

/** Where a value stands. `gone` is never stored: a record that gets there leaves the table. */
export type TaskState = "blocked" | "waiting" | "processing" | "memory" | "released" | "erred" | "gone";

/** What brings a value from one state to another. A way that is not here does not exist. */
export const TASK_TRANSITIONS: Readonly<Record<TaskState, Readonly<Partial<Record<TaskState, string>>>>> = {
  blocked: {
    waiting: "all that it depends on is there; or a call ended whose result is large",
    memory: "a call ended whose result is small",
    blocked: "what it depends on could not be fetched again, or has to be computed again first",
    released: "nobody needs it any more, but what depended on it may have to run again",
    erred: "what it depends on failed; its timeout passed; or the client that promised it is gone",
    gone: "nobody needs it any more, or it was cancelled",
  },
  waiting: {
    processing: "a worker has a free slot and all that is wanted: its host is told to compute, or to store",
    blocked: "what it depends on was lost, and is computed again",
    released: "nobody needs it any more, but what depended on it may have to run again",
    erred: "what it depends on failed; or its timeout passed",
    gone: "nobody needs it any more, or it was cancelled",
  },
  processing: {
    memory: "its host computed or stored it",
    waiting: "it failed, and retries are left; its host gave it back; or was lost, and it may run again",
    blocked: "its host could not fetch what it depends on; or that is lost as well",
    released: "nobody needs it any more, but what depended on it may have to run again",
    erred: "it failed; its timeout passed; or its host was lost, and it must not run again",
    gone: "nobody needs it any more, or it was cancelled",
  },
  memory: {
    released: "its host was lost; or nobody needs it any more, but what depended on it may have to run again",
    gone: "nobody needs it any more",
  },
  released: {
    waiting: "it is needed again, and all that it depends on is there",
    blocked: "it is needed again, and so is what it depends on",
    erred: "it was lost, and must not or cannot be computed again",
    gone: "nothing that depended on it is there any more",
  },
  erred: {
    gone: "nobody holds it any more, or it is submitted again",
  },
  gone: {},
};

/** The table as Markdown, one row a way. */
export function formatTaskTransitions(): string {
  const rows = Object.entries(TASK_TRANSITIONS).flatMap(([from, ways]) =>
    Object.entries(ways).map(([to, cause]) => `| ${from} | ${to} | ${cause} |`)
  );
  return ["| from | to | when |", "|---|---|---|", ...rows].join("\n");
}
