/**
 * A scheduler link that is dialled when somebody first needs it. What is sent before it stands waits, in order.
 *
 * @module
 */

import type { Transport } from "../connection/mod.ts";
import {
  type Answered,
  type Asked,
  CloseCode,
  type CloseInfo,
  type Message,
  type RequestName,
} from "../protocol/mod.ts";
import { lostConnection, type SchedulerLink } from "./scheduler_link.ts";

/** Options of {@linkcode LazyLink}. */
export interface LazyLinkOptions {
  /** Dials and introduces this session. */
  readonly dial: () => Promise<SchedulerLink>;
  /** Whether a link that has ended is dialled again when it is needed next. */
  readonly redials: boolean;
  /** Dialling failed: what waited is dropped. */
  readonly onFailed: (info: CloseInfo) => void;
}

/** A link that may not stand yet. */
export class LazyLink {
  readonly #options: LazyLinkOptions;
  #link: SchedulerLink | undefined;
  #dialling: Promise<SchedulerLink> | undefined;
  #waiting: Message[] = [];
  #closed: CloseInfo | undefined;

  constructor(options: LazyLinkOptions) {
    this.#options = options;
  }

  /** The link itself, where it stands or stood. */
  get link(): SchedulerLink | undefined {
    return this.#link;
  }

  /** Why nothing can be sent any more; `undefined` while something can. */
  get closed(): CloseInfo | undefined {
    return this.#closed ?? (this.#options.redials ? undefined : this.#link?.closed);
  }

  /**
   * The link, dialled now where it does not stand.
   *
   * @throws What dialling failed with.
   */
  connect(): Promise<SchedulerLink> {
    if (this.#closed) return Promise.reject(lostConnection("reach the scheduler", this.#closed, "no"));
    const link = this.#standing();
    if (link) return Promise.resolve(link);
    return this.#dialling ??= this.#dial();
  }

  /** Sends a message, in order. After the end it does nothing. */
  send(message: Message): void {
    if (this.closed) return;
    const link = this.#standing();
    if (link) return link.send(message);
    this.#waiting.push(message);
    this.connect().catch(ignore);
  }

  /** As `SchedulerLink.request`. */
  request<N extends RequestName>(name: N, asked: Asked<N>): Promise<Answered<N>> {
    const link = this.#only();
    return link ? link.request(name, asked) : this.connect().then((link) => link.request(name, asked));
  }

  /** As `SchedulerLink.openChannel`. */
  openChannel(worker: string, home: string): Transport | Promise<Transport> {
    return this.#only()?.openChannel(worker, home) ??
      this.connect().then((link) => link.openChannel(worker, home));
  }

  /** Closes it for good. */
  close(): void {
    this.#closed ??= { code: CloseCode.normal, reason: "the client closed", local: true };
    this.#waiting = [];
    this.#link?.close();
  }

  /** The one that stands, or the one that there was where no other follows it. */
  #only(): SchedulerLink | undefined {
    return this.#standing() ?? (this.#options.redials ? undefined : this.#link);
  }

  #standing(): SchedulerLink | undefined {
    return this.#link?.closed ? undefined : this.#link;
  }

  async #dial(): Promise<SchedulerLink> {
    try {
      const link = await this.#options.dial();
      this.#link = link;
      if (this.#closed) link.close();
      for (const message of this.#waiting) link.send(message);
      return link;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.onFailed({ code: 0, reason, local: false });
      throw error;
    } finally {
      this.#waiting = [];
      this.#dialling = undefined;
    }
  }
}

function ignore(): void {}
