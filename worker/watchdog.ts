/**
 * The main isolate's side of its watchdog: by it the host hears from its nanny, and asks it.
 *
 * @module
 */

import type { HostBoot } from "./boot.ts";
import type { FromWatchdog, NannyRequest, ToWatchdog } from "./watchdog_messages.ts";
import { decodeValue, encodeBody } from "../protocol/mod.ts";

/** The watchdog of this process. */
export class Watchdog {
  readonly #isolate: Worker;
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>();
  #count = 0;

  /**
   * Starts it.
   *
   * @param boot Where the nanny is.
   * @param onDrain The nanny wants the process to end within so many milliseconds.
   */
  constructor(boot: HostBoot, onDrain: (timeout: number) => void) {
    this.#isolate = new Worker(new URL("./watchdog_main.ts", import.meta.url), { type: "module", name: "watchdog" });
    this.#isolate.onmessage = ({ data }: MessageEvent<FromWatchdog>) => {
      switch (data.type) {
        case "tick":
          return this.#post({ type: "tock" });
        case "drain":
          return onDrain(data.timeout);
        case "answer": {
          const asked = this.#asked.get(data.id);
          this.#asked.delete(data.id);
          if (data.ok) asked?.resolve(decodeValue(data.body));
          else asked?.reject(new TypeError("The nanny could not answer"));
          return;
        }
      }
    };
    const { address, secret } = boot.nanny;
    this.#post({ type: "start", address, secret, memoryLimit: boot.memoryLimit });
  }

  /** Asks the nanny. */
  request(name: NannyRequest, body: object): Promise<unknown> {
    const id = ++this.#count;
    const asked = Promise.withResolvers<unknown>();
    this.#asked.set(id, asked);
    this.#post({ type: "request", id, name, body: encodeBody(body) });
    return asked.promise;
  }

  #post(message: ToWatchdog): void {
    this.#isolate.postMessage(message);
  }
}
