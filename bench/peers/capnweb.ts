/**
 * Cap'n Web over a WebSocket. The package comes from npm when the bench runs: nothing else of Troupe needs it.
 *
 * @module
 */

import { openSocket, startDenoChild } from "./child.ts";

const PACKAGE = "npm:capnweb@^0.12.0";

/** As much of the package as is used here. */
export interface CapnWeb {
  /** What a server's object extends. */
  readonly RpcTarget: new () => object;
  /** Serves an object, and gives a stub of the peer's. */
  newWebSocketRpcSession(socket: WebSocket, target?: object): unknown;
}

/** A counter at the far end. */
export interface CapnWebCounter extends AsyncDisposable {
  /** Process id of the server. */
  readonly pid: number;
  /** Calls it. */
  increment(): PromiseLike<number>;
}

/** Starts a server and connects to it. */
export async function startCapnWeb(): Promise<CapnWebCounter> {
  const { newWebSocketRpcSession } = await import(PACKAGE) as CapnWeb;
  const child = await startDenoChild("./capnweb_server.ts", PACKAGE);
  const socket = await openSocket(`ws://127.0.0.1:${child.line}/`);
  const stub = newWebSocketRpcSession(socket) as Pick<CapnWebCounter, "increment"> & Disposable;
  return {
    pid: child.pid,
    increment: () => stub.increment(),
    async [Symbol.asyncDispose]() {
      stub[Symbol.dispose]();
      socket.close();
      await child[Symbol.asyncDispose]();
    },
  };
}
