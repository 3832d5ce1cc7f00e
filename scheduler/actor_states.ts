/**
 * The states of an actor, and every way from one to the next.
 *
 * @module
 */

/** Where an actor stands. `gone` is never stored: a record that gets there leaves the table. */
export type ActorState = "blocked" | "waiting" | "starting" | "running" | "stopping" | "gone";

/** What brings an actor from one state to another. A way that is not here does not exist. */
export const ACTOR_TRANSITIONS: Readonly<Record<ActorState, Readonly<Partial<Record<ActorState, string>>>>> = {
  blocked: {
    waiting: "all of its arguments are there",
    blocked: "one of its arguments has to be computed again",
    gone: "an argument failed; it was released or cancelled; or its timeout passed",
  },
  waiting: {
    blocked: "one of its arguments was lost, and is computed again",
    starting: "a worker fits: its host is told to create",
    gone: "released, cancelled, or its timeout passed",
  },
  starting: {
    running: "the host created it",
    waiting: "its creation failed, and retries are left",
    blocked: "the same, and one of its arguments was lost meanwhile",
    stopping: "released, cancelled, or its timeout passed: the host is told to destroy",
    gone: "its creation failed, or its host was lost",
  },
  running: {
    stopping: "released or cancelled: the host is told to destroy",
    gone: "it ended by itself, or its host was lost",
  },
  stopping: {
    gone: "the host destroyed it, could not create it, or was lost",
  },
  gone: {},
};

/** The table as Markdown, one row a way. */
export function formatTransitions(): string {
  const rows = Object.entries(ACTOR_TRANSITIONS).flatMap(([from, ways]) =>
    Object.entries(ways).map(([to, cause]) => `| ${from} | ${to} | ${cause} |`)
  );
  return ["| from | to | when |", "|---|---|---|", ...rows].join("\n");
}
