/**
 * Which isolate may load a module: code that was edited, or that did not load before, needs one that has never seen it.
 *
 * @module
 */

/** The files of a module's local graph, as they are now. */
export interface ModuleGraph {
  /** URL of the target's module. */
  readonly url: string;
  /** How often everything was to be loaded anew before. */
  readonly generation: number;
  /** State by URL, such as time and size of a file; `undefined` where nothing is known, which never differs. */
  readonly states: ReadonlyMap<string, string | undefined>;
}

/** Whether an isolate may load a module. */
export type Fit = "fits" | "changed" | "failed";

/** What one isolate has loaded. An isolate never loads a module anew, and never forgets that one failed. */
export class LoadedModules {
  readonly #states = new Map<string, string | undefined>();
  readonly #failed = new Set<string>();
  #generation: number | undefined;

  /** Compares a graph with what was loaded. */
  fit(graph: ModuleGraph): Fit {
    if ((this.#generation ?? graph.generation) !== graph.generation) return "changed";
    for (const [url, state] of graph.states) {
      if (state !== undefined && this.#states.has(url) && this.#states.get(url) !== state) return "changed";
    }
    return this.#failed.has(graph.url) ? "failed" : "fits";
  }

  /** The isolate is about to load these. */
  add(graph: ModuleGraph): void {
    this.#generation ??= graph.generation;
    for (const [url, state] of graph.states) {
      if (state !== undefined || !this.#states.has(url)) this.#states.set(url, state);
    }
  }

  /** The import of a target failed. */
  addFailure(url: string): void {
    this.#failed.add(url);
  }
}
