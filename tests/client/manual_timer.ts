/** A timer that a test fires by hand. */
export class ManualTimer {
  /** Timers that run, in the order in which they were set. */
  readonly running: { delay: number; run: () => void }[] = [];

  /** As `Clock.setTimer`. */
  readonly setTimer = (delay: number, run: () => void): () => void => {
    const timer = { delay, run };
    this.running.push(timer);
    return () => this.#remove(timer);
  };

  /** Fires the oldest. */
  fire(): void {
    const timer = this.running[0];
    if (timer === undefined) throw new Error("No timer runs");
    this.#remove(timer);
    timer.run();
  }

  #remove(timer: { delay: number; run: () => void }): void {
    const index = this.running.indexOf(timer);
    if (index >= 0) this.running.splice(index, 1);
  }
}

/** Runs `body` and lets the platform look for rejections that nobody handled; gives their reasons. */
export async function unhandledRejections(body: () => void | Promise<void>): Promise<unknown[]> {
  const reasons: unknown[] = [];
  function note(event: PromiseRejectionEvent): void {
    event.preventDefault();
    reasons.push(event.reason);
  }
  globalThis.addEventListener("unhandledrejection", note);
  try {
    await body();
    // The platform looks when the microtasks of a turn have run.
    await new Promise((resolve) => setTimeout(resolve, 0));
  } finally {
    globalThis.removeEventListener("unhandledrejection", note);
  }
  return reasons;
}
