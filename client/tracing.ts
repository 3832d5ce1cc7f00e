/**
 * Traces of calls, by OpenTelemetry where somebody has set it up: Deno has where `OTEL_DENO` is `true`, other programs by
 * an SDK. What is set up stands at a registered symbol, as it does for `@opentelemetry/api`: so nothing is imported, and
 * where it is off, a call pays for one look at a property.
 *
 * @module
 */

import { TROUPE_VERSION } from "../protocol/version.ts";

/** Where every copy of `@opentelemetry/api` of its first major version looks. */
const API = Symbol.for("opentelemetry.js.api.1");

/** Under which a context holds its span. */
const SPAN = Symbol.for("OpenTelemetry Context Key SPAN");

/** The part of a span that is used here. */
export interface Span {
  spanContext(): { readonly traceId: string; readonly spanId: string; readonly traceFlags: number };
  addEvent(name: string, attributes?: Attributes): unknown;
  recordException(error: unknown): void;
  setStatus(status: { readonly code: number; readonly message?: string }): unknown;
  end(): void;
}

/** What is known of a span. */
type Attributes = Readonly<Record<string, string | number | boolean>>;

/** The part of a context that is used here. */
interface Context {
  setValue(key: symbol, value: unknown): Context;
}

/** The part of the API that is used here. */
interface TracingApi {
  readonly trace?: {
    getTracer(name: string, version: string): {
      startSpan(name: string, options: object, context: Context): Span;
    };
  };
  readonly context?: {
    active(): Context;
    with<T>(context: Context, run: () => T): T;
  };
}

/** Kinds of spans, as the API numbers them. */
const SERVER = 1;
const CLIENT = 2;

/** Status of a span that failed, as the API numbers it. */
const ERROR = 2;

/** A call that is traced. */
export interface CallNames {
  /** Name of the class. */
  readonly className: string;
  /** The method or attribute. */
  readonly method: string;
  /** Key of the actor. */
  readonly key: string;
}

function api(): TracingApi | undefined {
  return (globalThis as { [API]?: TracingApi })[API];
}

function startSpan(
  { trace, context }: TracingApi,
  { className, method, key }: CallNames,
  kind: number,
  parent: Pick<Span, "spanContext"> | undefined,
  startTime?: number,
): { readonly span: Span; readonly context: Context } | undefined {
  const active = context?.active();
  if (!trace || !active) return undefined;
  const attributes = { "rpc.system": "troupe", "rpc.service": className, "rpc.method": method, "troupe.actor": key };
  const span = trace.getTracer("troupe", TROUPE_VERSION).startSpan(
    `${className}.${method}`,
    { kind, attributes, ...startTime === undefined ? {} : { startTime } },
    parent ? active.setValue(SPAN, parent) : active,
  );
  return { span, context: active.setValue(SPAN, span) };
}

/** Whether anything is traced. */
export function isTracing(): boolean {
  return api() !== undefined;
}

/** Begins the span of a call that is made here, below the span that is active; `undefined` where tracing is off. */
export function startCallSpan(names: CallNames): Span | undefined {
  const tracing = api();
  return tracing && startSpan(tracing, names, CLIENT, undefined)?.span;
}

/** The text by which a span is known elsewhere: a W3C traceparent. */
export function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

/**
 * Begins the span of a call that is served here, below its caller's; `undefined` where tracing is off. It begins when the
 * call came; an event says when it left the mailbox.
 *
 * @param traceparent The caller's; one that is none is passed over.
 * @param waited How long the call has waited for its turn, in milliseconds.
 */
export function startServedSpan(
  names: CallNames,
  traceparent: string | undefined,
  waited: number,
): { readonly span: Span; run<T>(method: () => T): T } | undefined {
  const tracing = api();
  if (!tracing) return undefined;
  const came = waited > 0 ? Date.now() - waited : undefined;
  const started = startSpan(tracing, names, SERVER, parseTraceparent(traceparent), came);
  started?.span.addEvent("mailbox", { "troupe.mailbox.wait_ms": waited });
  return started && { span: started.span, run: (method) => tracing.context!.with(started.context, method) };
}

/** Ends a span; with the error that the call failed with, where it did. */
export function endSpan(span: Span | undefined, error?: unknown): void {
  if (span === undefined) return;
  if (error !== undefined) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof Error) span.recordException(error);
    span.setStatus({ code: ERROR, message });
  }
  span.end();
}

function parseTraceparent(text: string | undefined): Pick<Span, "spanContext"> | undefined {
  const [, traceId, spanId, flags] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(text ?? "") ?? [];
  if (!traceId || /^0+$/.test(traceId) || /^0+$/.test(spanId!)) return undefined;
  const context = { traceId, spanId: spanId!, traceFlags: parseInt(flags!, 16), isRemote: true };
  return { spanContext: () => context };
}
