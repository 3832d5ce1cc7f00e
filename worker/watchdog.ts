/**
 * The main isolate's side of its watchdog: by it the process hears from its nanny, and asks it.
 *
 * @module
 */

import { decodeError, decodeValue, encodeBody } from "../protocol/mod.ts";
import type { WatchdogBoot } from "./boot.ts";
import type { NannyAsked, NannyRequestName } from "./host_requests.ts";
import type { WatchedLoop } from "./loop_watch.ts";
import type { FromWatchdog, ToWatchdog } from "./watchdog_messages.ts";

/** What a watchdog tells. */
export interface WatchdogReceiver {
  /** The nanny wants the process to end within so many milliseconds. */
  onDrain(timeout: number): void;
  /** An event loop is stuck, and is to be given up. */
  onStuck(home: string): void;
}

/** The watchdog of this process. */
export class Watchdog {
  readonly #isolate: Worker;
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>();
  #count = 0;

  /**
   * Starts it.
   *
   * @param boot Where the nanny is.
   */
  constructor({ nanny, memoryLimit }: WatchdogBoot, receiver: WatchdogReceiver) {
    this.#isolate = new Worker(new URL("./watchdog_main.ts", import.meta.url), { type: "module", name: "watchdog" });
    this.#isolate.onmessage = ({ data }: MessageEvent<FromWatchdog>) => {
      switch (data.type) {
        case "tick":
          return this.#post({ type: "tock" });
        case "drain":
          return receiver.onDrain(data.timeout);
        case "stuck":
          return receiver.onStuck(data.home);
        case "answer": {
          const asked = this.#asked.get(data.id);
          this.#asked.delete(data.id);
          if (data.ok) asked?.resolve(decodeValue(data.body));
          else asked?.reject(decodeError(data.body));
          return;
        }
      }
    };
    this.#post({ type: "start", nanny: { ...nanny }, memoryLimit });
  }

  /**
   * Asks the nanny.
   *
   * @throws What it refused it with.
   */
  request<N extends NannyRequestName>(name: N, body: NannyAsked<N>): Promise<unknown> {
    const id = ++this.#count;
    const asked = Promise.withResolvers<unknown>();
    this.#asked.set(id, asked);
    this.#post({ type: "request", id, name, body: encodeBody(body) });
    return asked.promise;
  }

  /**
   * Watches an event loop until the function that it returns is called.
   *
   * @param now The time to which the loop's offset leads.
   */
  watchLoop(loop: WatchedLoop, now: number): () => void {
    this.#post({ type: "watchLoop", loop, now });
    return () => this.#post({ type: "unwatchLoop", home: loop.home });
  }

  #post(message: ToWatchdog): void {
    this.#isolate.postMessage(message);
  }
}
