/**
 * The isolate's end of what its host has it run: one task after the other, in the order in which they came, and the next
 * also where a function awaits something, which may be the next one.
 *
 * @module
 */

import { type Clock } from "../connection/mod.ts";
import { ownBytes, SMALL_RESULT } from "../protocol/mod.ts";
import type { TaskOrder, TaskOutcome } from "./isolate.ts";
import type { HeardFromIsolate, PackedOrder, PackedOrders } from "./isolate_messages.ts";
import type { TaskBoard } from "./task_board.ts";
import type { TaskRunner } from "./task_runner.ts";

/** Milliseconds after which the host is told of results while more tasks wait here. */
const TELL_AFTER = 0.2;

/** Options of {@linkcode TaskLine}. */
export interface TaskLineOptions {
  /** Runs them. */
  readonly runner: TaskRunner;
  /** What this isolate shares with its host; `undefined` where they share no memory, and it begins all that it is given. */
  readonly board: TaskBoard | undefined;
  /** The time. */
  readonly clock: Clock;
  /** Tells the host. */
  readonly say: (message: HeardFromIsolate, transfer: Transferable[]) => void;
}

/** The tasks of one isolate. */
export class TaskLine {
  readonly #options: TaskLineOptions;
  readonly #waiting: { readonly number: number; readonly order: TaskOrder }[] = [];
  #toldAt = 0;
  #running = false;
  #ended = false;

  /** Nothing runs yet. */
  constructor(options: TaskLineOptions) {
    this.#options = options;
  }

  /** Takes orders in. */
  take({ orders, bytes }: PackedOrders): void {
    let position = 0;
    const part = (length: number) => bytes.subarray(position, position += length);
    for (const order of orders) this.#waiting.push({ number: order.number, order: unpack(order, part) });
    if (!this.#running) this.#run();
  }

  /** Begins nothing more, and says nothing more: the end of the isolate says what became of its tasks. */
  end(): void {
    this.#ended = true;
  }

  async #run(): Promise<void> {
    const { board, runner, clock, say } = this.#options;
    this.#running = true;
    this.#toldAt = clock.now();
    for (let next = this.#waiting.shift(); next && !this.#ended; next = this.#waiting.shift()) {
      const { number, order } = next;
      if (board?.begin(number) === false) continue;
      let waits = false;
      let goOn = () => {};
      const begun = runner.run(order, () => {
        waits = true;
        say({ type: "waits", number }, []);
        goOn();
      });
      if (begun instanceof Promise) {
        const told = begun.then((outcome) => this.#tell(number, outcome));
        if (!waits) await Promise.race([told, new Promise<void>((resolve) => goOn = resolve)]);
      } else {
        this.#tell(number, begun);
      }
    }
    this.#running = false;
    this.#tellOfBoard();
  }

  #tell(number: number, outcome: TaskOutcome): void {
    if (this.#ended) return;
    const { board, clock, say } = this.#options;
    const isSmall = outcome.ok && outcome.refs.length === 0 && outcome.value.length <= SMALL_RESULT;
    if (isSmall && board?.put({ number, took: outcome.took, value: outcome.value })) {
      if (!this.#running || clock.now() - this.#toldAt >= TELL_AFTER) this.#tellOfBoard();
    } else if (outcome.ok) {
      const value = ownBytes(outcome.value);
      say({ type: "computed", number, outcome: { ...outcome, value } }, [value.buffer]);
    } else {
      say({ type: "computed", number, outcome }, []);
    }
  }

  #tellOfBoard(): void {
    this.#toldAt = this.#options.clock.now();
    if (!this.#ended && this.#options.board?.mustTell()) this.#options.say({ type: "results" }, []);
  }
}

function unpack(
  { key, run, target, refs, asyncOnly, args, values }: PackedOrder,
  part: (length: number) => Uint8Array,
): TaskOrder {
  return {
    key,
    run,
    target,
    refs,
    asyncOnly,
    args: part(args),
    values: values.map(({ key, refs, bytes }) => ({ key, refs, bytes: part(bytes) })),
  };
}
