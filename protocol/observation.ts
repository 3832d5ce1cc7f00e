/**
 * What a scheduler may ask a host about its actors and calls, and what a host tells while somebody looks.
 *
 * @module
 */

import { flag, list, number, object, oneOf, optional, type Shaped, text, uint } from "./shape.ts";

/** What somebody looks at now; a host tells of nothing else. */
export const watchBody = object({
  /** Calls, one by one. */
  calls: flag,
  /** What actors and tasks print. */
  lines: flag,
});
/** What somebody looks at now. */
export type WatchBody = Shaped<typeof watchBody>;

/** One call, or the run of one task. Times in milliseconds since 1970. */
export const observedCall = object({
  /** Key of the actor or task. */
  key: text,
  /** Name of the class; empty for a task. */
  className: text,
  /** The method, attribute or function. */
  method: text,
  /** Its number at its caller. */
  call: uint,
  /** When it came. */
  arrived: number,
  /** When it started. */
  started: number,
  /** When it had its answer. */
  ended: number,
  /** Whether it failed. */
  failed: flag,
});
/** One call, or the run of one task. */
export type ObservedCall = Shaped<typeof observedCall>;

/** Levels of what is printed: the methods of `console`. */
export const LINE_LEVELS = ["debug", "log", "info", "warn", "error"] as const;

/** Something that user code printed. */
export const printedLine = object({
  /** When, in milliseconds since 1970. */
  at: number,
  level: oneOf(LINE_LEVELS),
  text,
  /** Key of the actor or task; missing where none was running. */
  key: optional(text),
  /** Name of the class; empty for a task. */
  className: optional(text),
  /** The method or function; missing in a constructor. */
  method: optional(text),
  /** Number of the call at its caller. */
  call: optional(uint),
});
/** Something that user code printed. */
export type PrintedLine = Shaped<typeof printedLine>;

/** What a host saw since it last told. */
export const observedBody = object({
  calls: list(observedCall),
  /** How many calls there were besides: a busy host tells of a sample. */
  callsLeftOut: uint,
  lines: list(printedLine),
  /** How many lines there were besides. */
  linesLeftOut: uint,
});
/** What a host saw since it last told. */
export type ObservedBody = Shaped<typeof observedBody>;

/** What is counted of one actor, and what it does now. Times in milliseconds. */
export const actorFigures = object({
  key: text,
  className: text,
  /** Id of its home within the host. */
  home: text,
  calls: uint,
  errors: uint,
  /** How many calls run now. */
  inFlight: uint,
  /** How many wait for their turn now. */
  queued: uint,
  bytesIn: uint,
  bytesOut: uint,
  /** All running times together. */
  runningTime: number,
  /** All waiting times together. */
  queueingTime: number,
  /** How long it has had a call under way, without a break; 0 where it has none. */
  busyFor: number,
  /** The method that started last; missing before the first. */
  method: optional(text),
  /** Whether that is a sync method, which holds up its isolate while it runs. */
  sync: flag,
});
/** What is counted of one actor, and what it does now. */
export type ActorFigures = Shaped<typeof actorFigures>;

/** An error that a call or task ended with. */
export const recordedError = object({
  /** When, in milliseconds since 1970. */
  at: number,
  /** Key of the actor or task. */
  key: text,
  /** Name of the class; empty for a task. */
  className: text,
  /** The method, attribute or function. */
  method: text,
  /** Number of the call at its caller. */
  call: uint,
  name: text,
  message: text,
  /** As it was thrown, with what it was joined from and its causes. */
  stack: text,
});
/** An error that a call or task ended with. */
export type RecordedError = Shaped<typeof recordedError>;

const filter = {
  /** Of this actor or task only. */
  key: optional(text),
  /** Of this class only. */
  className: optional(text),
  /** How many at the most. */
  limit: uint,
};

/** Requests of a scheduler to a host, by name. */
export const HOST_REQUESTS = {
  /** Figures of actors: the busiest first, then those that have most to do. */
  actorFigures: { asked: object(filter), answered: object({ actors: list(actorFigures), total: uint }) },
  /** Errors, the latest first. */
  recentErrors: { asked: object(filter), answered: object({ errors: list(recordedError) }) },
  /** What was printed, the latest first. */
  recentLines: { asked: object(filter), answered: object({ lines: list(printedLine) }) },
} as const;

/** The name of such a request. */
export type HostRequestName = keyof typeof HOST_REQUESTS;
/** What is asked. */
export type HostAsked<N extends HostRequestName> = Shaped<(typeof HOST_REQUESTS)[N]["asked"]>;
/** What is answered. */
export type HostAnswered<N extends HostRequestName> = Shaped<(typeof HOST_REQUESTS)[N]["answered"]>;
