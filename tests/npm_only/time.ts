/**
 * `FakeTime` of `@std/testing/time` for networks that do not reach JSR: while one exists, `Date`, the timers and
 * `AbortSignal.timeout` follow it and time stands still until the test moves it.
 *
 * @module
 */

/** Thrown when fake time is used where it cannot be. */
export class TimeError extends Error {
  override name = "TimeError";
}

interface Timer {
  id: number;
  due: number;
  /** Milliseconds between runs, or `undefined` for a timer that runs once. */
  interval: number | undefined;
  run: () => void;
}

const real = {
  Date: globalThis.Date,
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
};
const realAbortSignalTimeout = AbortSignal.timeout;

let active: FakeTime | undefined;

/** Time that only the test moves. Use it with `using`, or call `restore()`. */
export class FakeTime implements Disposable {
  readonly #start: number;
  #now: number;
  #nextId = 1;
  /** In the order of their ids, which is the order among timers due at the same time. */
  #timers = new Map<number, Timer>();

  /** Takes over from real time, at the moment given; default the present one. */
  constructor(start: number | string | Date | null = null) {
    if (active) throw new TimeError("Cannot construct FakeTime: time is already faked");
    this.#start = Math.floor(new real.Date(start ?? real.Date.now()).valueOf());
    if (Number.isNaN(this.#start)) throw new TypeError(`Cannot construct FakeTime: invalid start time ${start}`);
    this.#now = this.#start;
    active = this;
    this.#overrideGlobals();
  }

  /** Ends the fake time that is in force. */
  static restore(): void {
    if (!active) throw new TimeError("Cannot restore time: time is already restored");
    active.restore();
  }

  /** Milliseconds since 1970. Setting it runs the timers that fall due on the way, in their order. */
  get now(): number {
    return this.#now;
  }
  set now(value: number) {
    if (value < this.#now) throw new RangeError(`Cannot set time back: it is ${this.#now}, received ${value}`);
    for (let timer = this.#first(); timer && timer.due <= value; timer = this.#first()) {
      this.#now = Math.max(this.#now, timer.due);
      this.#timers.delete(timer.id);
      // An interval goes to the end of the line, so that others due at the same time have their turn.
      if (timer.interval !== undefined) this.#timers.set(timer.id, { ...timer, due: timer.due + timer.interval });
      timer.run();
    }
    this.#now = value;
  }

  /** The moment at which this fake time began, in milliseconds since 1970. */
  get start(): number {
    return this.#start;
  }

  /** Moves time by some milliseconds. */
  tick(ms = 0): void {
    this.now += ms;
  }

  /** Lets promises settle, then moves time by some milliseconds. */
  async tickAsync(ms = 0): Promise<void> {
    await this.runMicrotasks();
    this.now += ms;
  }

  /** Moves time to the next timer; `false` if there is none. */
  next(): boolean {
    const timer = this.#first();
    if (timer) this.now = timer.due;
    return timer !== undefined;
  }

  /** Lets promises settle, then moves time to the next timer; `false` if there is none. */
  async nextAsync(): Promise<boolean> {
    await this.runMicrotasks();
    return this.next();
  }

  /** Runs timers until none is left. */
  runAll(): void {
    while (this.next());
  }

  /** Runs timers until none is left, and lets promises settle before each. */
  async runAllAsync(): Promise<void> {
    while (this.#timers.size > 0) await this.nextAsync();
  }

  /** Lets promises that are about to settle do so: one turn of the real event loop. */
  async runMicrotasks(): Promise<void> {
    await this.delay(0);
  }

  /** Waits in real time. */
  delay(ms: number): Promise<void> {
    return new Promise((resolve) => void real.setTimeout(resolve, ms));
  }

  /** Ends fake time; timers that are left never run. */
  restore(): void {
    if (active !== this) throw new TimeError("Cannot restore time: time is already restored");
    active = undefined;
    Object.assign(globalThis, real);
    AbortSignal.timeout = realAbortSignalTimeout;
  }

  /** Ends fake time. */
  [Symbol.dispose](): void {
    this.restore();
  }

  #first(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers.values()) {
      if (first === undefined || timer.due < first.due) first = timer;
    }
    return first;
  }

  #add(run: () => void, delay: number, repeat: boolean): number {
    const ms = Math.max(repeat ? 1 : 0, Math.floor(Number(delay) || 0));
    const id = this.#nextId++;
    this.#timers.set(id, { id, due: this.#now + ms, interval: repeat ? ms : undefined, run });
    return id;
  }

  #overrideGlobals(): void {
    const set = (repeat: boolean) => (callback: unknown, delay = 0, ...args: unknown[]): number => {
      if (typeof callback !== "function") throw new TimeError("FakeTime takes functions as timer callbacks");
      return this.#add(() => void callback(...args), delay, repeat);
    };
    const clear = (id?: unknown): void => void this.#timers.delete(Number(id));
    const currentTime = (): number => this.#now;
    const FakeDate = new Proxy(real.Date, {
      construct(_target, args, newTarget) {
        return Reflect.construct(real.Date, args.length === 0 ? [currentTime()] : args, newTarget);
      },
      apply() {
        return new real.Date(currentTime()).toString();
      },
      get(target, property, receiver) {
        return property === "now" ? currentTime : Reflect.get(target, property, receiver);
      },
    });
    Object.assign(globalThis, {
      Date: FakeDate,
      setTimeout: set(false),
      clearTimeout: clear,
      setInterval: set(true),
      clearInterval: clear,
    });
    AbortSignal.timeout = (ms) => {
      const controller = new AbortController();
      this.#add(() => controller.abort(new DOMException("Signal timed out.", "TimeoutError")), ms, false);
      return controller.signal;
    };
  }
}
