/**
 * A peer's server: a process of its own, as a worker is, that prints one line when it is ready and ends with its standard
 * input.
 *
 * @module
 */

/** A server that runs. */
export interface Child extends AsyncDisposable {
  /** Its process. */
  readonly pid: number;
  /** What it printed. */
  readonly line: string;
  /** Writes a line to it, and reads the one that it answers with. */
  ask(line: string): Promise<string>;
}

/** How long a server may take to start, in milliseconds. */
const START_TIME = 60_000;

/**
 * Starts a server.
 *
 * @throws {Error} Where it ends, or prints nothing within a minute.
 */
export async function startChild(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Child> {
  const child = new Deno.Command(command, {
    args: [...args],
    env: { ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const writer = child.stdin.getWriter();
  let text = "";
  async function readLine(): Promise<string> {
    while (!text.includes("\n")) {
      const { value } = await reader.read();
      if (value === undefined) throw new Error(`${command} ended without a word`);
      text += value;
    }
    const end = text.indexOf("\n");
    const line = text.slice(0, end);
    text = text.slice(end + 1);
    return line;
  }
  async function end(): Promise<void> {
    await writer.close().catch(() => {});
    const timer = setTimeout(() => child.kill("SIGKILL"), 2000);
    await child.status;
    clearTimeout(timer);
    await reader.cancel().catch(() => {});
  }
  const timer = setTimeout(() => child.kill("SIGKILL"), START_TIME);
  try {
    const line = await readLine();
    return {
      pid: child.pid,
      line,
      async ask(line) {
        await writer.write(new TextEncoder().encode(`${line}\n`));
        return await readLine();
      },
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Starts a server of this folder under Deno. */
export function startDenoChild(file: string, ...args: readonly string[]): Promise<Child> {
  const flags = ["--no-config", "--no-lock", "--no-prompt", "--allow-net", "--allow-env", "--allow-read"];
  return startChild(Deno.execPath(), ["run", ...flags, new URL(file, import.meta.url).href, ...args]);
}

/** For servers: answers each line of standard input, until that ends. */
export async function answerInput(answer: (line: string) => Promise<string>): Promise<void> {
  let text = "";
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      console.log(await answer(line));
    }
  }
}

/** For servers: resolves when standard input has ended. */
export async function inputEnded(): Promise<void> {
  for await (const _ of Deno.stdin.readable);
}

/** Opens a socket for bytes. */
export async function openSocket(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error(`${url} does not answer`));
  });
  return socket;
}
