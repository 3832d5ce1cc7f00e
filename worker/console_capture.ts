/**
 * Hears what user code prints by `console`, and lets it print.
 *
 * @module
 */

import { format } from "node:util";
import { LINE_LEVELS, type PrintedLine } from "../protocol/observation.ts";
import { contextProvider } from "./context.ts";

/** Options of {@linkcode captureConsole}. */
export interface CaptureOptions {
  /** Id of the worker: in one process there may be several. */
  readonly worker: string;
  /** Whether lines count that no actor or task printed. In a process that is not ours alone they are not our business. */
  readonly all: boolean;
  /** Told of each line. */
  readonly onLine: (line: PrintedLine) => void;
}

/**
 * Stands before the methods of `console` in this isolate.
 *
 * @returns Takes that back, where nobody has stood before it since.
 */
export function captureConsole({ worker, all, onLine }: CaptureOptions): () => void {
  const undo: (() => void)[] = [];
  let telling = false;
  for (const level of LINE_LEVELS) {
    const before = console[level];
    const print = (...values: unknown[]): void => {
      before.apply(console, values);
      // Showing a value may print.
      if (telling) return;
      const context = contextProvider.get();
      if (context === undefined ? !all : context.worker.id !== worker) return;
      telling = true;
      try {
        onLine({
          at: Date.now(),
          level,
          text: format(...values),
          key: context?.holder,
          className: context?.className,
          method: context?.method,
          call: context?.callId,
        });
      } catch {
        // What cannot be shown was printed all the same.
      } finally {
        telling = false;
      }
    };
    console[level] = print;
    undo.push(() => {
      if (console[level] === print) console[level] = before;
    });
  }
  return () => undo.forEach((restore) => restore());
}
