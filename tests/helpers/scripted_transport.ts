/**
 * A transport whose peer is the test itself.
 *
 * @module
 */

import { type FramePolicy, ROOMY_POLICY, type Transport, type TransportReceiver } from "../../connection/mod.ts";
import { type CloseInfo, FrameWriter, type Message, readFrame } from "../../protocol/mod.ts";

/** Records what is sent, and delivers what the test says, at once. */
export class ScriptedTransport implements Transport {
  readonly policy: FramePolicy;
  /** Frames that were sent. */
  readonly frames: Uint8Array[] = [];
  /** How this side closed it, where it did. */
  closed: { code: number; reason: string } | undefined;
  #receiver: TransportReceiver | undefined;
  #ended = false;

  constructor(policy: FramePolicy = ROOMY_POLICY) {
    this.policy = policy;
  }

  /** All messages that were sent, in order. */
  get messages(): Message[] {
    return this.frames.flatMap(messagesOf);
  }

  start(receiver: TransportReceiver): void {
    this.#receiver = receiver;
  }

  send(frame: Uint8Array): void {
    if (!this.#ended) this.frames.push(frame.slice());
  }

  close(code: number, reason: string): void {
    if (this.#ended) return;
    this.closed = { code, reason };
    this.end({ code, reason, local: true });
  }

  /** Delivers one frame with these messages. */
  receive(...messages: readonly Message[]): void {
    const writer = new FrameWriter();
    for (const message of messages) writer.write(message);
    this.receiveFrame(writer.view().slice());
  }

  /** Delivers a frame. */
  receiveFrame(frame: Uint8Array): void {
    if (!this.#ended) this.#receiver!.onFrame(frame);
  }

  /** Ends it, by default as a peer that vanished. */
  end(info: CloseInfo = { code: 0, reason: "", local: false }): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#receiver!.onClose(info);
  }
}

/** The messages of a frame. */
export function messagesOf(frame: Uint8Array): Message[] {
  const messages: Message[] = [];
  readFrame(frame, (message) => messages.push(message));
  return messages;
}
