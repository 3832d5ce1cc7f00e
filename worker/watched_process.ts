/**
 * A process that runs user code, as its nanny sees it: started, watched, ended.
 *
 * @module
 */

import type { Clock, Connection } from "../connection/mod.ts";
import { CloseCode, decodeValue, encodeBody, encodeError, type LossReason, type MessageOf } from "../protocol/mod.ts";
import { formatBootLine } from "./boot.ts";
import type { SecretListener } from "./secret_listener.ts";

/** Milliseconds between looks at a process. */
const LOOK_INTERVAL = 1000;

/** Looks without a beat between them that make a process hung. */
const BEATS_MISSED = 3;

/** Milliseconds that a process has to say its first word: it may have packages to download. */
const START_TIME = 60_000;

/** What V8 leaves behind when its heap is full: a trap, or an abort. */
const OUT_OF_MEMORY_CODES: readonly number[] = [133, 134];

/** Options of {@linkcode WatchedProcess}. */
export interface WatchedProcessOptions {
  /** Its entry point. */
  readonly main: URL;
  /** What it is told; where its watchdog reports is added. */
  readonly boot: {
    /** Resident memory in bytes at which it is ended; 0 for none. */
    readonly memoryLimit: number;
  };
  /** Flags of `deno run`. */
  readonly flags: readonly string[];
  /** Its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where its watchdog reports. */
  readonly listener: SecretListener;
  /** Answers what it asks; what this throws is its answer, too. */
  readonly answer: (name: string, body: unknown) => object | void | Promise<object | void>;
  /** The time. */
  readonly clock: Clock;
  /** It is about to be killed for this reason: whoever must know can be told before. */
  readonly onCondemned: (reason: LossReason) => void;
}

/** The end of a process. */
export interface ProcessEnd {
  /** Why its actors are lost. */
  readonly reason: LossReason;
  /** Its exit code. */
  readonly code: number;
}

/** A running process. */
export class WatchedProcess {
  /** Resolves when the process is gone. */
  readonly ended: Promise<ProcessEnd>;
  readonly #options: WatchedProcessOptions;
  readonly #child: Deno.ChildProcess;
  readonly #startedAt: number;
  #watchdog: Connection | undefined;
  #lastBeat: MessageOf<"beat"> | undefined;
  #beats = 0;
  #beatsSeen = 0;
  #missed = 0;
  #stopLooking = () => {};
  #condemned: LossReason | undefined;
  #draining: number | undefined;

  constructor(options: WatchedProcessOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
    const place = options.listener.expect({
      role: "watchdog",
      onOpen: (connection) => {
        this.#watchdog = connection;
        if (this.#draining !== undefined) connection.send({ op: "drain", timeout: this.#draining });
        return {
          onMessage: (message) => {
            if (message.op === "beat") this.#beat(message);
            else if (message.op === "request") this.#answer(message);
            else connection.close(CloseCode.badFrame, `Cannot take a ${message.op} message of a watchdog`);
          },
          // Its beats stop, which is what counts.
          onClose() {},
        };
      },
    });
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", ...options.flags, options.main.href],
      clearEnv: true,
      env: { ...options.environment },
      stdin: "piped",
      stdout: "inherit",
      stderr: "inherit",
      // A group of its own: Ctrl-C on the terminal reaches the nanny alone, which then drains.
      detached: true,
    }).spawn();
    this.#tell({ ...options.boot, nanny: { address: place.address, secret: place.secret } });
    this.#lookLater();
    this.ended = this.#child.status.then(async ({ code }) => {
      this.#stopLooking();
      place.close();
      this.#watchdog?.close();
      await this.#child.stdin.close().catch(() => {});
      return { reason: this.#reasonOf(code), code };
    });
  }

  /** Whether its nanny decided its end. */
  get condemned(): boolean {
    return this.#condemned !== undefined;
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** What its watchdog said last; `undefined` before its first beat. */
  get lastBeat(): MessageOf<"beat"> | undefined {
    return this.#lastBeat;
  }

  /** Asks it to finish what runs within so many milliseconds, and to end. */
  drain(timeout: number): void {
    this.#draining = timeout;
    this.#watchdog?.send({ op: "drain", timeout });
  }

  /** Ends it at once; `reason` is what its actors are lost for. */
  kill(reason: LossReason): void {
    if (this.#condemned) return;
    this.#condemned = reason;
    this.#options.onCondemned(reason);
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It ended in this moment.
    }
  }

  async #tell(boot: object): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    try {
      await writer.write(new TextEncoder().encode(formatBootLine(boot)));
    } catch {
      // It ended before it read a word, which `ended` tells.
    } finally {
      // The stream stays open: its end is how the process knows that its nanny is gone.
      writer.releaseLock();
    }
  }

  #beat(beat: MessageOf<"beat">): void {
    this.#beats++;
    this.#lastBeat = beat;
    const { memoryLimit } = this.#options.boot;
    if (memoryLimit > 0 && beat.resident > memoryLimit) this.kill("oom");
  }

  #lookLater(): void {
    const { clock } = this.#options;
    const due = clock.now() + LOOK_INTERVAL;
    this.#stopLooking = clock.setTimer(LOOK_INTERVAL, () => this.#look(clock.now() - due));
  }

  /** A process whose beats stop is hung; one that is only busy goes on beating. */
  #look(late: number): void {
    const starting = this.#beats === 0 && this.#options.clock.now() - this.#startedAt < START_TIME;
    const alive = this.#beats !== this.#beatsSeen;
    // Where this process itself was held up, the other's beats may wait unread.
    this.#missed = alive || starting || late > LOOK_INTERVAL * 2 ? 0 : this.#missed + 1;
    this.#beatsSeen = this.#beats;
    if (this.#missed >= BEATS_MISSED) this.kill("host-stuck");
    else this.#lookLater();
  }

  async #answer({ id, name, body }: MessageOf<"request">): Promise<void> {
    let answer: { ok: number; body: Uint8Array };
    try {
      answer = { ok: 1, body: encodeBody(await this.#options.answer(name, decodeValue(body)) ?? {}) };
    } catch (error) {
      answer = { ok: 0, body: encodeError(error) };
    }
    this.#watchdog?.send({ op: "answer", id, ...answer });
  }

  #reasonOf(code: number): LossReason {
    if (this.#condemned) return this.#condemned;
    if (OUT_OF_MEMORY_CODES.includes(code)) return "oom";
    return code === 0 && this.#draining !== undefined ? "drained" : "host-exit";
  }
}
