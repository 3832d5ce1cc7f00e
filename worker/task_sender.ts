/**
 * The host's end of an isolate for tasks: gives it orders, several at a time, and hears what came of them.
 *
 * @module
 */

import type { TaskOrder, TaskOutcome, TaskReceiver } from "./isolate.ts";
import type { PackedOrder, PackedOrders } from "./isolate_messages.ts";
import type { TaskBoard } from "./task_board.ts";

/** An order with more bytes travels alone: what is made of them may take their buffer over. */
const MOST_TOGETHER = 8192;

const NO_REFS: readonly string[] = Object.freeze([]);

interface Given {
  readonly number: number;
  readonly order: TaskOrder;
  readonly receiver: TaskReceiver;
}

/** The orders of one isolate. */
export class TaskSender {
  readonly #post: (orders: PackedOrders) => void;
  readonly #board: TaskBoard | undefined;
  /** Those without an outcome, in their order. */
  readonly #given = new Map<number, Given>();
  #unsent: Given[] = [];
  #last = 0;

  /**
   * @param post Sends orders.
   * @param board What both ends share. Without it, all that has been sent counts as begun.
   */
  constructor(post: (orders: PackedOrders) => void, board: TaskBoard | undefined) {
    this.#post = post;
    this.#board = board;
  }

  /** Gives an order, with the others of this turn. */
  give(order: TaskOrder, receiver: TaskReceiver): void {
    const given = { number: this.#last = this.#last + 1 | 0, order, receiver };
    this.#given.set(given.number, given);
    if (this.#unsent.push(given) === 1) queueMicrotask(() => this.flush());
  }

  /** Sends what waits for the end of this turn. */
  flush(): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    for (let start = 0, end = 1; start < unsent.length; start = end++) {
      if (bytesOf(unsent[start]!) <= MOST_TOGETHER) {
        while (end < unsent.length && bytesOf(unsent[end]!) <= MOST_TOGETHER) {
          end++;
        }
      }
      this.#post(packOrders(unsent.slice(start, end)));
    }
  }

  /** Takes back the orders that have not begun, the last ones: nothing comes of them. Returns how many. */
  withdraw(): number {
    this.look();
    const begun = this.#withdraw();
    let count = 0;
    for (const number of this.#given.keys()) {
      if ((number - begun | 0) <= 0) continue;
      this.#given.delete(number);
      count++;
    }
    return count;
  }

  /** Hears of what is there already. */
  look(): void {
    this.#board?.take(({ number, took, value }) => this.#settle(number, { ok: true, value, refs: NO_REFS, took }));
  }

  /** The isolate says that the function of an order has given a promise. */
  wait(number: number): void {
    this.#given.get(number)?.receiver.wait();
  }

  /** The isolate says what came of an order. */
  settle(number: number, outcome: TaskOutcome): void {
    // What came before it is told before it.
    this.look();
    this.#settle(number, outcome);
  }

  /** The isolate has ended: nothing more comes of any order. */
  end(): void {
    this.look();
    const begun = this.#withdraw();
    const lost = [...this.#given.values()];
    this.#given.clear();
    for (const { number, receiver } of lost) receiver.lose((number - begun | 0) <= 0);
  }

  /** Nothing that has not begun does any more. Returns the number of the order that has begun last. */
  #withdraw(): number {
    const unsent = this.#unsent;
    this.#unsent = [];
    return this.#board ? this.#board.withdraw(this.#last) : this.#last - unsent.length | 0;
  }

  #settle(number: number, outcome: TaskOutcome): void {
    const given = this.#given.get(number);
    this.#given.delete(number);
    given?.receiver.settle(outcome);
  }
}

function bytesOf({ order: { args, values } }: Given): number {
  let sum = args.length;
  for (const { bytes } of values) sum += bytes.length;
  return sum;
}

/** All bytes go in one buffer: a view that is cloned brings all of its buffer along. */
function packOrders(given: readonly Given[]): PackedOrders {
  const bytes = new Uint8Array(given.reduce((sum, one) => sum + bytesOf(one), 0));
  let position = 0;
  const put = (part: Uint8Array): number => {
    bytes.set(part, position);
    position += part.length;
    return part.length;
  };
  const orders = given.map(({ number, order: { key, run, target, refs, asyncOnly, args, values } }): PackedOrder => ({
    number,
    key,
    run,
    target,
    refs,
    asyncOnly,
    args: put(args),
    values: values.map(({ key, refs, bytes }) => ({ key, refs, bytes: put(bytes) })),
  }));
  return { type: "compute", orders, bytes };
}
