/**
 * Programs as a user starts them: with an environment of their own, in which no test speaks for them.
 *
 * @module
 */

import { Lines } from "../helpers/lines.ts";

/** Root of the checkout, where tasks are run. */
export const ROOT: string = new URL("../../", import.meta.url).pathname;

/** Options of {@linkcode Program} and {@linkcode run}. */
export interface ProgramOptions {
  /** Where it runs. */
  readonly cwd: string;
  /** Its whole environment, besides PATH. */
  readonly env: Readonly<Record<string, string>>;
  /** The command. @default this Deno */
  readonly command?: string;
}

/**
 * Makes a cache for the Deno of a user. It shares the packages that were downloaded already, but no module from a port
 * of this machine: Deno keeps the first that it gets, and another test may have had that port.
 */
export async function makeCache(folder: string): Promise<void> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout)) as { npmCache: string };
  await Deno.mkdir(npmCache, { recursive: true });
  await Deno.mkdir(folder, { recursive: true });
  await Deno.symlink(npmCache, `${folder}/npm`);
}

function commandOf(args: readonly string[], { cwd, env, command }: ProgramOptions): Deno.Command {
  return new Deno.Command(command ?? Deno.execPath(), {
    args: [...args],
    cwd,
    clearEnv: true,
    env: { PATH: Deno.env.get("PATH") ?? "", NO_COLOR: "1", ...env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}

/** Milliseconds after which a program is ended that should end by itself, but waits for something. */
const RUN_TIME = 20_000;

/** Runs a program to its end. */
export async function run(
  args: readonly string[],
  options: ProgramOptions,
): Promise<{ code: number; output: string; errors: string }> {
  const child = commandOf(args, options).spawn();
  const timer = setTimeout(() => child.kill("SIGTERM"), RUN_TIME);
  const { code, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout), errors: decoder.decode(stderr) };
}

/** A program that goes on until it is told to end, as by Ctrl-C. */
export class Program implements AsyncDisposable {
  /** Starts it. */
  static start(args: readonly string[], options: ProgramOptions): Program {
    return new Program(commandOf(args, options).spawn());
  }

  readonly #child: Deno.ChildProcess;
  readonly #output: Lines;
  readonly #errors: Lines;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#output = new Lines(child.stdout);
    this.#errors = new Lines(child.stderr);
  }

  /**
   * Waits for a line of its output that holds a text.
   *
   * @throws {Error} Where it ends first, with what it wrote.
   */
  async says(text: string): Promise<string> {
    const line = await this.#output.find(text);
    if (line === undefined) throw new Error(`The program ended without saying ${text}: ${await this.#errors.rest()}`);
    return line;
  }

  /**
   * Waits for a line of its standard error that holds a text.
   *
   * @throws {Error} Where it ends first.
   */
  async logs(text: string): Promise<string> {
    const line = await this.#errors.find(text);
    if (line === undefined) throw new Error(`The program ended without logging ${text}`);
    return line;
  }

  /** Tells it to end, and waits until it has: its exit code, and what nobody has read of its standard error. */
  async end(): Promise<{ code: number; errors: string }> {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended by itself.
    }
    const [{ code }, errors] = await Promise.all([
      this.#child.status,
      this.#errors.rest(),
      this.#output.rest(),
    ]);
    return { code, errors };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}
