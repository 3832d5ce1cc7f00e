/**
 * One host process, as its nanny sees it: started, watched, ended.
 *
 * @module
 */

import type { Clock, Connection } from "../connection/mod.ts";
import { decodeValue, encodeBody, type LossReason, type MessageOf } from "../protocol/mod.ts";
import { object, text } from "../protocol/shape.ts";
import type { BeatListener } from "./beat_listener.ts";
import { formatBootLine, type HostBoot } from "./boot.ts";
import type { ModuleSource } from "./module_graph.ts";

/** Milliseconds between looks at a host. */
const LOOK_INTERVAL = 1000;

/** Looks without a beat between them that make a host hung. */
const BEATS_MISSED = 3;

/** Milliseconds that a host has to say its first word: it may have packages to download. */
const START_TIME = 60_000;

/** What V8 leaves behind when its heap is full: a trap, or an abort. */
const OUT_OF_MEMORY_CODES: readonly number[] = [133, 134];

const hostRunning = object({ address: text });
const largestValues = object({ largest: text });
const moduleAsked = object({ url: text });

/** Options of {@linkcode HostProcess}. */
export interface HostProcessOptions {
  /** What the host is told; where its watchdog reports is added. */
  readonly boot: Omit<HostBoot, "nanny">;
  /** Flags of `deno run`. */
  readonly flags: readonly string[];
  /** Its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where its watchdog reports. */
  readonly listener: BeatListener;
  /** Answers its questions about modules. */
  readonly modules: ModuleSource;
  /** The time. */
  readonly clock: Clock;
  /** It is about to be killed for this reason: whoever must know can be told before. */
  readonly onCondemned: (reason: LossReason) => void;
}

/** The end of a host process. */
export interface HostEnd {
  /** Why its actors are lost. */
  readonly reason: LossReason;
  /** Its exit code. */
  readonly code: number;
}

/** A running host process. */
export class HostProcess {
  /** Resolves with the address of its data plane when it has joined the scheduler. */
  readonly running: Promise<{ readonly address: string }>;
  /** Resolves when the process is gone. */
  readonly ended: Promise<HostEnd>;
  readonly #options: HostProcessOptions;
  readonly #child: Deno.ChildProcess;
  readonly #startedAt: number;
  #watchdog: Connection | undefined;
  #lastBeat: MessageOf<"beat"> | undefined;
  #beats = 0;
  #beatsSeen = 0;
  #missed = 0;
  #stopLooking = () => {};
  #largest = "";
  #condemned: LossReason | undefined;
  #draining: number | undefined;

  constructor(options: HostProcessOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
    const running = Promise.withResolvers<{ address: string }>();
    this.running = running.promise;
    const place = options.listener.expect({
      onOpen: (connection) => {
        this.#watchdog = connection;
        if (this.#draining !== undefined) connection.send({ op: "drain", timeout: this.#draining });
      },
      onBeat: (beat) => this.#beat(beat),
      onRequest: (request) =>
        request.name === "running"
          ? this.#answer(request, () => running.resolve(hostRunning(decodeValue(request.body), "running")))
          : request.name === "largest"
          ? this.#answer(
            request,
            () => void (this.#largest = largestValues(decodeValue(request.body), "largest").largest),
          )
          : this.#answer(request, () => this.#askModules(request)),
    });
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", ...options.flags, new URL("./host_main.ts", import.meta.url).href],
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

  /** Its incarnation. */
  get incarnation(): string {
    return this.#options.boot.incarnation;
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

  /** The largest values that it kept when its memory was nearly full, in one line; empty where it never was. */
  get largest(): string {
    return this.#largest;
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

  async #tell(boot: HostBoot): Promise<void> {
    const writer = this.#child.stdin.getWriter();
    try {
      await writer.write(new TextEncoder().encode(formatBootLine(boot)));
    } catch {
      // It ended before it read a word, which `ended` tells.
    } finally {
      // The stream stays open: its end is how the host knows that its nanny is gone.
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

  /** A host whose beats stop is hung; one that is only busy goes on beating. */
  #look(late: number): void {
    const starting = this.#beats === 0 && this.#options.clock.now() - this.#startedAt < START_TIME;
    const alive = this.#beats !== this.#beatsSeen;
    // Where this process itself was held up, the host's beats may wait unread.
    this.#missed = alive || starting || late > LOOK_INTERVAL * 2 ? 0 : this.#missed + 1;
    this.#beatsSeen = this.#beats;
    if (this.#missed >= BEATS_MISSED) this.kill("host-stuck");
    else this.#lookLater();
  }

  async #askModules({ name, body }: MessageOf<"request">): Promise<object> {
    const { url } = moduleAsked(decodeValue(body), name);
    const { modules } = this.#options;
    if (name === "listModules") return { files: await modules.list(url) ?? [] };
    if (name !== "reloadModule") throw new TypeError(`Cannot answer ${name}`);
    await modules.reload(url);
    return {};
  }

  async #answer(request: MessageOf<"request">, find: () => object | void | Promise<object>): Promise<void> {
    let answer: { ok: number; body: Uint8Array };
    try {
      answer = { ok: 1, body: encodeBody(await find() ?? {}) };
    } catch {
      answer = { ok: 0, body: encodeBody({}) };
    }
    this.#watchdog?.send({ op: "answer", id: request.id, ...answer });
  }

  #reasonOf(code: number): LossReason {
    if (this.#condemned) return this.#condemned;
    if (OUT_OF_MEMORY_CODES.includes(code)) return "oom";
    return code === 0 && this.#draining !== undefined ? "drained" : "host-exit";
  }
}
