/**
 * The counter of `comlink.ts`.
 *
 * @module
 */

import { COMLINK, type Comlink } from "./comlink.ts";

const { expose } = await import(COMLINK) as Comlink;
let n = 0;
expose({ increment: () => ++n });
(globalThis as unknown as { postMessage(message: unknown): void }).postMessage("ready");
