/**
 * One child process of a local cluster: a scheduler or a worker, run from its own main module.
 *
 * @module
 */

/** Options of {@linkcode ChildProcess.start}. */
export interface ChildProcessOptions {
  /** For errors and logs: `scheduler`, `worker 1`. */
  readonly name: string;
  /** Its main module. */
  readonly module: URL;
  /** Flags of Deno. */
  readonly flags: readonly string[];
  /** Arguments of the module. */
  readonly args: readonly string[];
  /** The cluster's token, handed over on standard input: never an argument, which every user of the machine can read. */
  readonly token: string;
}

/** A child that tells when it is ready, and that ends when its standard input does. */
export class ChildProcess {
  /**
   * Starts it and waits until it is ready.
   *
   * @returns The child, and what it said of itself in its first line of output.
   * @throws {Error} Where it ends first, with what it wrote.
   */
  static async start(options: ChildProcessOptions): Promise<{ child: ChildProcess; ready: Record<string, unknown> }> {
    const { name, module, flags, args, token } = options;
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", ...flags, module.href, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
      // The terminal's Ctrl-C is the parent's to hear; it closes its children in order.
      detached: true,
    }).spawn();
    const child = new ChildProcess(name, process);
    await child.#stdin.write(new TextEncoder().encode(`${token}\n`));
    const first = await child.#firstLine();
    try {
      return { child, ready: JSON.parse(first ?? "") };
    } catch {
      await child.close();
      const { code } = await process.status;
      throw new Error(
        `Cannot start the ${name} of a local cluster: it ended with code ${code}${first ? ` and said: ${first}` : ""}`,
      );
    }
  }

  readonly #name: string;
  readonly #process: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly #output: ReadableStreamDefaultReader<Uint8Array>;
  #forwarding: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  private constructor(name: string, process: Deno.ChildProcess) {
    this.#name = name;
    this.#process = process;
    this.#stdin = process.stdin.getWriter();
    this.#output = process.stdout.getReader();
  }

  /** Its process id. */
  get pid(): number {
    return this.#process.pid;
  }

  /** Resolves when it has ended. */
  get ended(): Promise<Deno.CommandStatus> {
    return this.#process.status;
  }

  /** Asks it to end, and waits until it has; kills it after `timeout` milliseconds. */
  close(timeout = 5000): Promise<void> {
    return this.#closing ??= this.#close(timeout);
  }

  async #close(timeout: number): Promise<void> {
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), timeout);
    try {
      await this.#stdin.close().catch(() => {});
      await this.#process.status;
      await this.#forwarding;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The first line; whatever comes after it goes to this process's own output. */
  async #firstLine(): Promise<string | undefined> {
    const decoder = new TextDecoder();
    let text = "";
    while (true) {
      const { value, done } = await this.#output.read();
      if (done) return text || undefined;
      text += decoder.decode(value, { stream: true });
      const end = text.indexOf("\n");
      if (end < 0) continue;
      this.#forwarding = this.#forward(text.slice(end + 1));
      return text.slice(0, end);
    }
  }

  /** What actors print is their user's to see. */
  async #forward(rest: string): Promise<void> {
    const encoder = new TextEncoder();
    let chunk: Uint8Array | undefined = rest ? encoder.encode(rest) : undefined;
    while (true) {
      if (chunk) await writeAll(chunk);
      const { value, done } = await this.#output.read();
      if (done) return;
      chunk = value;
    }
  }

  /** Its name, for people. */
  toString(): string {
    return `${this.#name} (process ${this.#process.pid})`;
  }
}

async function writeAll(bytes: Uint8Array): Promise<void> {
  let written = 0;
  while (written < bytes.length) written += await Deno.stdout.write(bytes.subarray(written));
}
