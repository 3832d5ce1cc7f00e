/**
 * Every message of the wire, in one table: its number, and its fields in order.
 *
 * On the wire a message is a MessagePack array `[number, field, field, …]`; a frame is any count of them, one after
 * another. The TypeScript types, the writer and the reader (`frame.ts`) follow from this table alone.
 *
 * Field kinds: `uint` a whole number below 2^53, `text` a string, `bytes` opaque bytes (user values, and bodies of
 * `bodies.ts`), `texts` an array of strings. A `?` allows nil.
 *
 * @module
 */

import type { Executed } from "./errors.ts";

/** The kinds of a field and their types. */
export interface FieldTypes {
  /** A whole number from 0 to 2^53 - 1. */
  "uint": number;
  /** A string. */
  "text": string;
  /** Opaque bytes. */
  "bytes": Uint8Array;
  /** Strings. */
  "texts": readonly string[];
  /** A whole number or nil. */
  "uint?": number | undefined;
  /** A string or nil. */
  "text?": string | undefined;
  /** Opaque bytes or nil. */
  "bytes?": Uint8Array | undefined;
}

/** The kind of one field. */
export type FieldKind = keyof FieldTypes;

/**
 * The table. Numbers are never used again for something else; fields are only ever added at the end, with a new
 * protocol version.
 */
export const MESSAGES = {
  // Both directions, on every connection.
  /** The dialling side's first message. `session` is 128 random bits in hexadecimal, chosen by it, secret. */
  hello: [1, { minimum: "uint", maximum: "uint", role: "text", session: "text", body: "bytes" }],
  /** The answer to hello. */
  welcome: [2, { version: "uint", body: "bytes" }],
  /** Asks for a pong. */
  ping: [3, { id: "uint" }],
  /** Answers a ping. */
  pong: [4, { id: "uint" }],
  /** A part of a message that is too long for one frame. `remaining` bytes follow; 0 ends the transfer. */
  piece: [5, { transfer: "uint", remaining: "uint", part: "bytes" }],
  /** How many bytes of a transfer have arrived: opens the sender's window. */
  received: [6, { transfer: "uint", count: "uint" }],
  /** So many frames, of so many bytes together, have arrived since the last report: lets the sender send more. */
  arrived: [110, { frames: "uint", bytes: "uint" }],

  // Channels: a connection inside a connection, by which scheduler and hosts relay without looking in.
  /** Opens a channel to a worker's home. `caller` is set by the scheduler, never by a client. */
  open: [8, { channel: "uint", worker: "text", home: "text", caller: "text?" }],
  /** A frame of the inner connection. */
  data: [9, { channel: "uint", frame: "bytes" }],
  /** Ends a channel, as a WebSocket's close does. */
  close: [10, { channel: "uint", code: "uint", reason: "text" }],

  // Calls: caller to home, direct or inside a channel.
  /** Binds a slot of this connection, a number that the caller picks, to an actor. `tag` proves the right to. */
  attach: [16, { slot: "uint", key: "text", incarnation: "text", tag: "bytes" }],
  /** Gives the slot back. */
  detach: [17, { slot: "uint" }],
  /**
   * A call, of what `kind` says ({@link CallKind}). `deadline` is milliseconds left at sending; `trace` a W3C
   * traceparent; `credit` how many items a stream may send; `refs` the keys of all actors and futures in `args`; `chain`
   * what waits for this one: tasks, and calls of actors that run a bounded number of calls at a time.
   *
   * From a home to its caller: a call of a function that was among the arguments of a call; `slot` is its number.
   */
  call: [18, {
    id: "uint",
    slot: "uint",
    kind: "uint",
    name: "text",
    args: "bytes",
    refs: "texts",
    deadline: "uint?",
    priority: "uint?",
    credit: "uint?",
    trace: "text?",
    chain: "texts",
  }],
  /** The value of a call. */
  result: [19, { id: "uint", value: "bytes", refs: "texts" }],
  /** A call that failed. `executed`: 0 no, 1 yes, 2 unknown. `error` is an error envelope. */
  failure: [20, { id: "uint", executed: "uint", error: "bytes" }],
  /**
   * The caller gives a call up: a queued one never starts, a running one sees its signal. It is answered all the same, by
   * a `failure` that says whether the call ran.
   */
  cancel: [21, { id: "uint", slot: "uint", reason: "bytes?" }],
  /** One value of a stream: of a call that streams its result or, from a caller, of a stream among its arguments. */
  item: [22, { id: "uint", value: "bytes", refs: "texts" }],
  /** Lets a stream send `count` items more. */
  credit: [23, { id: "uint", count: "uint" }],
  /** The value (`ok` 1) or error (0) of an external key that a task or call waits for. */
  fulfil: [24, { key: "text", ok: "uint", value: "bytes", refs: "texts" }],
  /** The sender now holds these keys: for `holder`, an actor or task of its isolate, or else for its session. */
  held: [25, { keys: "texts", holder: "text?" }],
  /** Asks a host for the value of a task that it keeps; answered by `result` or `failure`. */
  getData: [26, { id: "uint", key: "text" }],
  /** The scheduler knows of all that the caller holds of that call's result; or nobody wants it. Only of one with refs. */
  taken: [76, { id: "uint" }],
  /** What the reader of a call's stream does to its generator besides taking items: {@link ResumeKind}. */
  resume: [27, { id: "uint", slot: "uint", kind: "uint", value: "bytes", refs: "texts" }],
  /** The end of a stream among arguments, from the caller: all of it was sent (`ok` 1), or it failed with an error (0). */
  streamEnd: [28, { id: "uint", ok: "uint", error: "bytes" }],
  /** A home wants no more of a stream among arguments. */
  streamStop: [29, { id: "uint" }],
  /** So many one-way calls of a slot have ended, with so many bytes of arguments; `error` is why one of them failed. */
  settled: [30, { slot: "uint", count: "uint", bytes: "uint", error: "bytes?" }],

  // Client to scheduler.
  /**
   * Creates an actor or runs a task: {@link SubmitBody}. Its fate comes back as `status` messages. `chain` is that of the
   * call or task that submits it: who may wait for it.
   */
  submit: [32, { key: "text", body: "bytes", args: "bytes", refs: "texts", holder: "text?", chain: "texts" }],
  /** The client no longer holds these keys; `holder` as in `held`. */
  release: [33, { keys: "texts", holder: "text?" }],
  /** Stops these keys for everyone who holds them. */
  cancelKeys: [34, { keys: "texts", reason: "text?" }],
  /** Asks something of {@link Request}; the answer has the same id. */
  request: [35, { id: "uint", name: "text", body: "bytes" }],
  /** These keys will be fulfilled by this session: results of its calls that are arguments elsewhere. */
  external: [37, { keys: "texts" }],
  /** A value that is to be put on a worker: {@link ScatterBody}. Its fate comes back as `status` messages. */
  scatter: [38, { key: "text", body: "bytes", value: "bytes", refs: "texts" }],
  /** Answers a request: a body (`ok` 1) or an error envelope (0). */
  answer: [36, { id: "uint", ok: "uint", body: "bytes" }],

  // Scheduler to client.
  /** What became of a key: {@link StatusBody}. */
  status: [40, { key: "text", body: "bytes" }],

  // Scheduler and host.
  /** Creates an actor in a host. `submitted` are the bytes of the client's {@link SubmitBody}. */
  create: [48, { key: "text", incarnation: "text", submitted: "bytes", args: "bytes", refs: "texts" }],
  /** It stands: {@link CreatedBody}. */
  created: [49, { key: "text", incarnation: "text", body: "bytes" }],
  /** Its module did not load, or its constructor threw. */
  createFailed: [50, { key: "text", incarnation: "text", executed: "uint", error: "bytes" }],
  /** Nobody holds it: dispose of it. Answered by `ended`. */
  destroy: [51, { key: "text", incarnation: "text" }],
  /** It is gone; `reason` as in {@link LossReason}, or `released`. */
  ended: [52, { key: "text", incarnation: "text", reason: "text" }],
  /** The host's counters, once a second: {@link HostReport}. */
  report: [53, { body: "bytes" }],

  // Scheduler and host: tasks and their results.
  /** Runs a task. `run` numbers the attempt; `dependencies` is a {@link DependenciesBody}, left out where there are none. */
  compute: [66, {
    key: "text",
    run: "uint",
    submitted: "bytes",
    args: "bytes",
    refs: "texts",
    dependencies: "bytes?",
  }],
  /**
   * It ran, and the host keeps the result; a small one is said instead. `took` are the microseconds in which its function
   * ran.
   */
  computed: [67, { key: "text", run: "uint", size: "uint", value: "bytes?", refs: "texts", took: "uint" }],
  /** It failed (`error` is an error envelope), or dependencies could not be fetched (`missing`), and it did not start. */
  computeFailed: [68, { key: "text", run: "uint", executed: "uint", error: "bytes", missing: "texts" }],
  /** It has not begun, and other tasks take longer than before: it should run elsewhere, or later. */
  returned: [84, { key: "text", run: "uint" }],
  /** Nobody wants the result any more. */
  cancelCompute: [69, { key: "text", run: "uint" }],
  /** Keeps a scattered value. `run` numbers it as an attempt that gave it. */
  store: [70, { key: "text", run: "uint", value: "bytes", refs: "texts" }],
  /** It is kept. */
  stored: [71, { key: "text", run: "uint" }],
  /** Nobody needs what came of that attempt any more. */
  forget: [72, { key: "text", run: "uint" }],
  /** The host has fetched what came of that attempt from another, and keeps it. */
  copied: [77, { key: "text", run: "uint" }],
  /** Fetches a value from one of those hosts, and keeps it: a list of {@link DataHolder}. Answered by one of the others. */
  copy: [78, { key: "text", run: "uint", holders: "bytes" }],
  /** Nobody gave it. */
  copyFailed: [79, { key: "text", run: "uint" }],
  /** What is created or run from now on is loaded anew, by isolates that have loaded nothing. */
  renewModules: [75, {}],

  // Scheduler and host: what somebody looks at.
  /** What somebody looks at now: {@link WatchBody}. */
  watch: [96, { body: "bytes" }],
  /** What the host has seen of that: {@link ObservedBody}. */
  observed: [97, { body: "bytes" }],

  // Scheduler and nanny.
  /** The nanny is about to start a host: the scheduler answers with `hostTicket`. */
  hostStarting: [56, { incarnation: "text" }],
  /** The one-use ticket with which that host dials the scheduler. */
  hostTicket: [57, { incarnation: "text", ticket: "text" }],
  /** A host process ended, and with it all of its actors. */
  hostEnded: [58, { incarnation: "text", reason: "text" }],
  /** The worker is alive: {@link HeartbeatBody}. */
  heartbeat: [59, { body: "bytes" }],
  /** From the scheduler: leave within `timeout` milliseconds. From the nanny: it is leaving. */
  drain: [60, { timeout: "uint" }],
  /** A host will be replaced when its calls have ended: nothing is placed there any more. */
  hostDraining: [105, { incarnation: "text" }],
  /** Nothing in that host is wanted any more: end it, and start another. */
  restartHost: [74, { incarnation: "text" }],

  // Host and a process that is one of its homes.
  /** An order, or what comes of it: an encoded value, as of `worker/isolate_messages.ts`. */
  isolate: [104, { body: "bytes" }],

  // Watchdog isolate and nanny.
  /** The host process lives: resident and heap memory in bytes, lag of its main loop in milliseconds. */
  beat: [64, { resident: "uint", heap: "uint", lag: "uint" }],
} as const satisfies Record<string, readonly [number, Readonly<Record<string, FieldKind>>]>;

/** The name of a message. */
export type Op = keyof typeof MESSAGES;

/** One message: its name, and its fields by name. */
export type MessageOf<O extends Op> =
  & { readonly op: O }
  & { readonly [F in keyof (typeof MESSAGES)[O][1]]: FieldTypes[(typeof MESSAGES)[O][1][F] & FieldKind] };

/** Any message. */
export type Message = { [O in Op]: MessageOf<O> }[Op];

/** Values of a call's `kind`. */
export const CallKind = {
  /** Calls a method. */
  method: 0,
  /** Reads an attribute. */
  attribute: 1,
  /** Calls a method and wants no answer: `settled` says when it has ended. */
  oneWay: 2,
  /** From a home to its caller: calls a function that was among the arguments of a call. */
  callback: 3,
} as const;

/** Values of a `resume`'s `kind`: what is done to the generator. */
export const ResumeKind = {
  /** `next(value)`, which lets it send one item more. */
  next: 0,
  /** `return(value)`. */
  return: 1,
  /** `throw(value)`. */
  throw: 2,
} as const;

/** Whether a failed call ran, as its number on the wire. */
export const EXECUTED: readonly Executed[] = ["no", "yes", "unknown"];

/** The number of `executed` on the wire. */
export function executedNumber(executed: Executed): number {
  return EXECUTED.indexOf(executed);
}

/** `executed` from its number; an unknown number is `"unknown"`. */
export function executedWord(number: number): Executed {
  return EXECUTED[number] ?? "unknown";
}

const CONTROL_LANE = 0;

/**
 * Messages of one lane arrive in the order in which they were sent, even while a long one among them travels in
 * pieces; messages of different lanes may pass each other. Calls to one actor share a lane, so do the frames of one
 * channel, the messages about one call, and all that concerns the control plane. `undefined` is urgent: it waits for
 * nothing, so it must make sense before a message that was sent earlier. Numbers from 2^51 on may share a lane, which
 * costs waiting and nothing else.
 */
export function laneOf(message: Message): number | undefined {
  switch (message.op) {
    case "attach":
    case "detach":
    case "call":
    case "cancel":
    case "resume":
      return message.slot * 3 + 1;
    case "open":
    case "data":
    case "close":
      return message.channel * 3 + 2;
    case "result":
    case "failure":
    case "item":
    case "streamEnd":
      return message.id * 3 + 3;
    case "ping":
    case "pong":
    case "received":
    case "arrived":
    case "credit":
    case "streamStop":
    case "settled":
    case "beat":
    case "heartbeat":
      return undefined;
    default:
      return CONTROL_LANE;
  }
}
