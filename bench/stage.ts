/**
 * What a subject of the benches is, and what it is given.
 *
 * @module
 */

import type { Case, Repetition } from "./harness.ts";
import type { Tree } from "./tree.ts";
import { pin, PROCESSORS } from "./processors.ts";

/** One subject: a table of the page, and a file of results. */
export interface Subject {
  /** Names its marker in the page and its file of results. */
  readonly name: string;
  /** What stands over its table. */
  readonly title: string;
  /** How often everything is repeated. */
  readonly repetition: Repetition;
  /** Whether it is worth a second table without pinned processes. */
  readonly unpinned?: boolean;
  /** Starts what it needs, and says what is to be measured. */
  prepare(stage: Stage): Promise<readonly Case[]>;
}

/** How a run was asked for. */
export interface StageOptions {
  /** What is measured: the work tree, and the base revision where there is one. */
  readonly trees: readonly Tree[];
  /** Whether to show only that everything runs: with little of everything, and without peers. */
  readonly quick: boolean;
  /** Whether processes are kept on their processors. */
  readonly pinned: boolean;
}

/** What a subject is given for one run. What it starts is to be disposed of by `stack`. */
export class Stage {
  /** What is measured. */
  readonly trees: readonly Tree[];
  /** Whether to show only that everything runs. */
  readonly quick: boolean;
  /** Ends everything when the run has ended. */
  readonly stack: AsyncDisposableStack = new AsyncDisposableStack();
  /** Peers that could not be had, and why. */
  readonly absent: string[] = [];
  readonly #pinned: boolean;

  constructor({ trees, quick, pinned }: StageOptions) {
    this.trees = trees;
    this.quick = quick;
    this.#pinned = pinned && PROCESSORS > 1;
    this.stack.defer(() => pin(Deno.pid, undefined));
  }

  /** The one number for a real run, the other for a quick one. */
  size(real: number, quick: number): number {
    return this.quick ? quick : real;
  }

  /**
   * Keeps this process on the first processor and the others on the second: otherwise the system now and then puts both
   * ends on one, where everything is two to three times as fast, a bare echo most of all.
   */
  async apart(servers: readonly (number | undefined)[]): Promise<void> {
    if (!this.#pinned) return;
    await pin(Deno.pid, 0);
    for (const pid of servers) if (pid !== undefined) await pin(pid, 1);
  }

  /** Keeps a process on a processor. */
  async pin(pid: number, processor: number): Promise<void> {
    if (this.#pinned) await pin(pid, processor);
  }

  /** Starts a peer, with what it needs from outside; where that is not there the run goes on without it. */
  async peer<T extends AsyncDisposable>(name: string, start: () => Promise<T>): Promise<T | undefined> {
    if (this.quick) return undefined;
    try {
      return this.stack.use(await start());
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.absent.push(`${name}: ${reason.split("\n", 1)[0]}`);
      return undefined;
    }
  }
}
