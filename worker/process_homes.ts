/**
 * The processes that are homes of one actor or task each, as the nanny of their host starts and ends them.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import type { LossReason } from "../protocol/mod.ts";
import type { HomeBoot } from "./boot.ts";
import type { Launch } from "./launch.ts";
import type { HomeGrants } from "./home_permissions.ts";
import type { SecretListener } from "./secret_listener.ts";
import { type ProcessEnd, WatchedProcess } from "./watched_process.ts";

/** Options of {@linkcode ProcessHomes}. */
export interface ProcessHomesOptions {
  /** How processes are started. */
  readonly launch: Launch;
  /** Where their watchdogs report. */
  readonly listener: SecretListener;
  /** Resident memory in bytes at which one is ended, unless its user says otherwise; 0 for none. */
  readonly memoryLimit: number;
  /** The time. */
  readonly clock: Clock;
}

/** What a host wants started. */
export interface ProcessHomeOrder {
  /** Id of the home within the host. */
  readonly home: string;
  /** Where the host listens for it. */
  readonly host: { readonly address: string; readonly secret: string };
  /** Its own limit in bytes. */
  readonly memoryLimit?: number | undefined;
  /** What it may do; left out for what its host may. */
  readonly grants?: HomeGrants | undefined;
}

/** The processes of one host. */
export class ProcessHomes {
  readonly #options: ProcessHomesOptions;
  readonly #homes = new Map<string, WatchedProcess>();
  #ended: LossReason | undefined;

  /** Starts nothing. */
  constructor(options: ProcessHomesOptions) {
    this.#options = options;
  }

  /**
   * Starts one.
   *
   * @throws {TypeError} Where it wants to do more than its host may, or its host has ended.
   */
  start({ home, host, grants, memoryLimit = this.#options.memoryLimit }: ProcessHomeOrder): void {
    const { launch, listener, clock } = this.#options;
    if (this.#ended) throw new TypeError(`Cannot start the home ${home}: its host has ended`);
    if (this.#homes.has(home)) throw new TypeError(`Cannot start the home ${home}: there is one of that name`);
    const boot: Omit<HomeBoot, "nanny"> = { host, memoryLimit };
    // Whatever it may do besides, it reports here and to its host, and starts its watchdog.
    const needed = grants && {
      ...grants,
      net: [...grants.net, listener.authority, new URL(host.address).host],
      read: [...grants.read, ...import.meta.url.startsWith("file:") ? [pathOf(new URL("../", import.meta.url))] : []],
    };
    const started: WatchedProcess = new WatchedProcess({
      main: new URL("./home_main.ts", import.meta.url),
      boot,
      flags: launch.flags(memoryLimit, needed),
      environment: launch.environment(memoryLimit),
      listener,
      // One that is stuck has no other home beside it.
      answer: (name) => name === "stuck" ? started.kill("host-stuck") : refuse(name),
      clock,
      onCondemned() {},
    });
    this.#homes.set(home, started);
  }

  /**
   * Resolves when a process is gone, with the reason.
   *
   * @throws {TypeError} Where there was none, or somebody was told before.
   */
  async ended(home: string): Promise<ProcessEnd> {
    const end = await this.#find(home).ended;
    this.#homes.delete(home);
    return end;
  }

  /** Ends one at once. */
  kill(home: string): void {
    this.#homes.get(home)?.kill("killed");
  }

  /** Ends all: their host is gone. Resolves when they are as well. */
  async end(reason: LossReason): Promise<void> {
    this.#ended = reason;
    for (const home of this.#homes.values()) home.kill(reason);
    await Promise.all([...this.#homes.values()].map(({ ended }) => ended));
  }

  #find(home: string): WatchedProcess {
    const found = this.#homes.get(home);
    if (!found) throw new TypeError(`Cannot wait for the home ${home}: there is none of that name`);
    return found;
  }
}

function pathOf(url: URL): string {
  return decodeURIComponent(url.pathname);
}

function refuse(name: string): never {
  throw new TypeError(`Cannot answer ${name}`);
}
