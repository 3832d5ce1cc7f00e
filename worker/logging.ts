/**
 * Log lines of the processes that we start: on standard error, as standard output belongs to the user's code.
 *
 * @module
 */

import { configure, getJsonLinesFormatter, getTextFormatter, type LogRecord } from "npm:@logtape/logtape@^2.4.0";

/** How log lines look. */
export type LogForm = "text" | "json" | "none";

/** Text where a person reads, JSON where a program does. */
export function preferredLogForm(): LogForm {
  return Deno.stderr.isTerminal() ? "text" : "json";
}

/** Sets up logging for a whole process: only entry points may. */
export async function configureLogging(form: LogForm): Promise<void> {
  if (form === "none") return;
  const format = form === "json" ? getJsonLinesFormatter() : getTextFormatter({ timestamp: "time", value: textOf });
  const encoder = new TextEncoder();
  await configure({
    sinks: { standardError: (record: LogRecord) => void Deno.stderr.writeSync(encoder.encode(format(record))) },
    loggers: [
      { category: "troupe", lowestLevel: "info", sinks: ["standardError"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["standardError"] },
    ],
  });
}

/** Names stand in a line as they are, without quotes. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : Deno.inspect(value);
}
