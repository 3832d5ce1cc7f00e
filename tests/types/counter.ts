/** A module of actors that marks itself. @module */

import { remote } from "../../client/remote.ts";

/** The Counter of the documentation. */
export class Counter {
  n = 0;
  increment() {
    return ++this.n;
  }
  add(x: number) {
    return this.n += x;
  }
}

/** A task. */
export function add(a: number, b: number) {
  return a + b;
}

remote(import.meta, { Counter, add });
