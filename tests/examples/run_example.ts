/**
 * Runs examples as their first comment says.
 *
 * @module
 */

const ROOT = new URL("../../", import.meta.url);

/** What the comment at the head of an example says. */
export interface Documented {
  /** Arguments of `deno`. */
  readonly args: readonly string[];
  /** What the example prints, line by line. */
  readonly lines: readonly string[];
}

/** Reads the command of an example, and its output, from the two indented blocks of its first comment. */
export async function readExample(path: string): Promise<Documented> {
  const source = await Deno.readTextFile(new URL(path, ROOT));
  const comment = source.slice(0, source.indexOf("@module"));
  const blocks = comment.split(/\n(?! \* {5}\S)/)
    .map((part) => [...part.matchAll(/^ \* {5}(\S.*)$/gm)].map(([, line]) => line!.trimEnd()))
    .filter((lines) => lines.length > 0);
  const [command, ...output] = blocks.flat();
  const [program, ...args] = command?.split(" ") ?? [];
  if (program !== "deno" || args.at(-1) !== path) throw new Error(`${path} does not say how it is run: ${command}`);
  return { args, lines: output };
}

/** Runs an example to its end; what it printed, line by line. */
export async function runExample(path: string): Promise<string[]> {
  const { args } = await readExample(path);
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), { args: [...args], cwd: ROOT }).output();
  if (!success) throw new Error(`${path} failed:\n${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trimEnd().split("\n");
}

/** A server that an example started. */
export interface ServedExample extends AsyncDisposable {
  /** Where it serves. */
  readonly url: string;
}

/** Runs an example that serves until it is interrupted, on a port that the system chooses. */
export async function serveExample(path: string): Promise<ServedExample> {
  const { args } = await readExample(path);
  const child = new Deno.Command(Deno.execPath(), { args: [...args, "0"], cwd: ROOT, stdout: "piped" }).spawn();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await output.read();
  const url = /http:\S+/.exec(value ?? "")?.[0];
  return {
    url: url ?? "",
    async [Symbol.asyncDispose]() {
      child.kill("SIGINT");
      await child.status;
      await output.cancel();
    },
  };
}
