/**
 * The raw echo, from the client's side.
 *
 * @module
 */

/** A connection to an echo server of its own process. */
export interface RawEcho {
  /** Process id of the server. */
  readonly pid: number;
  /** Sends a message; resolves when it has come back. */
  send(message: Uint8Array<ArrayBuffer>): Promise<void>;
}

/** Starts the echo server and connects to it. */
export async function startRawEcho(): Promise<RawEcho> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-config", "--no-prompt", "--allow-net", new URL("./echo_server.ts", import.meta.url).href],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const port = Number(new TextDecoder().decode((await reader.read()).value));
  reader.releaseLock();
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  socket.binaryType = "arraybuffer";
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error("The echo server does not answer"));
  });
  let answered = () => {};
  socket.onmessage = () => answered();
  return {
    pid: child.pid,
    send: (message) =>
      new Promise((resolve) => {
        answered = resolve;
        socket.send(message);
      }),
  };
}
