/**
 * Comlink over a Web Worker: calls inside one process. The package comes from npm when the bench runs.
 *
 * @module
 */

/** The package. */
export const COMLINK = "npm:comlink@^4.4.2";

/** As much of the package as is used here. */
export interface Comlink {
  /** A stub of what the other side exposes. */
  wrap(endpoint: Worker): unknown;
  /** Offers an object to the other side. */
  expose(object: object): void;
}

/** A counter in a Web Worker. */
export interface ComlinkCounter extends AsyncDisposable {
  /** Calls it. */
  increment(): PromiseLike<number>;
}

/** Starts the Web Worker. */
export async function startComlink(): Promise<ComlinkCounter> {
  const { wrap } = await import(COMLINK) as Comlink;
  const worker = new Worker(new URL("./comlink_worker.ts", import.meta.url), { type: "module" });
  await new Promise<void>((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => reject(new Error(event.message));
  });
  const stub = wrap(worker) as Pick<ComlinkCounter, "increment">;
  return {
    increment: () => stub.increment(),
    [Symbol.asyncDispose]() {
      worker.terminate();
      return Promise.resolve();
    },
  };
}
