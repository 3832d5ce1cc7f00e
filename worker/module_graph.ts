/**
 * The files that a target is made of, and whether they have changed.
 *
 * Two sides: a host looks at files it knows (it may read); the nanny finds out which they are (it may run Deno).
 *
 * @module
 */

import { afterThisTurn } from "../connection/mod.ts";
import type { SubmittedTarget } from "../protocol/mod.ts";
import type { ModuleGraph } from "./generations.ts";

/** What only the nanny can do for a host, as it takes running Deno. */
export interface ModuleSource {
  /** Finds the `file:` URLs of a module's graph; `undefined` where that cannot be found out. */
  list(url: string): Promise<readonly string[] | undefined>;
  /** Fetches a remote module, and what it imports from the same origin, anew: Deno keeps the first copy that it got. */
  reload(url: string): Promise<void>;
}

/** Where Deno cannot be run, only a module's own file is known to belong to it, and remote ones stay as they were. */
export const NO_MODULE_SOURCE: ModuleSource = {
  list: () => Promise.resolve(undefined),
  reload: () => Promise.resolve(),
};

/** The graphs of the targets of one host. */
export class ModuleGraphs {
  readonly #source: ModuleSource;
  readonly #state: (url: string) => string;
  readonly #known = new Map<string, ModuleGraph>();
  readonly #finding = new Map<string, Promise<ModuleGraph>>();
  /** Graphs at whose files somebody has looked in this turn of the event loop: of many creations one looks. */
  readonly #looked = new Set<ModuleGraph>();
  #generation = 0;

  /**
   * @param source Asked when a target is new, and when one of its files has changed: it may import others now.
   * @param state The state of one file.
   */
  constructor(source: ModuleSource, state: (url: string) => string = fileState) {
    this.#source = source;
    this.#state = state;
  }

  /** What is asked for from now on has changed, whatever it is. */
  renew(): void {
    this.#generation++;
    this.#known.clear();
    this.#finding.clear();
  }

  /** The graph of a target as it is now. For one that is known this costs a look at each of its files, once a turn. */
  of(target: SubmittedTarget): ModuleGraph | Promise<ModuleGraph> {
    const { module, version } = target;
    const known = this.#known.get(module);
    if (module.startsWith("file:")) {
      if (known && this.#unchanged(known)) return known;
      return this.#find(module, module, () => this.#list(module, this.#generation));
    }
    if (module.startsWith("data:")) return this.#single(module, "");
    // Of a remote module nothing is known, unless its user says so.
    if (version === undefined && this.#generation === 0) return this.#single(module, undefined);
    const state = version ?? "";
    if (known?.states.get(module) === state) return known;
    return this.#find(`${state} ${module}`, module, () => this.#reload(module, state));
  }

  /** Creations that come together ask once. */
  #find(id: string, url: string, find: () => Promise<ModuleGraph>): Promise<ModuleGraph> {
    const asked = this.#finding.get(id);
    if (asked) return asked;
    const finding = find().then((graph) => {
      if (this.#finding.get(id) !== finding) return graph;
      this.#finding.delete(id);
      this.#known.set(url, graph);
      return graph;
    });
    this.#finding.set(id, finding);
    return finding;
  }

  async #list(url: string, generation: number): Promise<ModuleGraph> {
    const files = await this.#source.list(url).catch(() => undefined);
    // Its own file belongs to it, whatever was found.
    return { url, generation, states: new Map([url, ...files ?? []].map((file) => [file, this.#state(file)])) };
  }

  async #reload(url: string, state: string): Promise<ModuleGraph> {
    const graph = this.#single(url, state);
    // Where it cannot be fetched, the isolate that imports it says why.
    await this.#source.reload(url).catch(() => {});
    return graph;
  }

  #single(url: string, state: string | undefined): ModuleGraph {
    return { url, generation: this.#generation, states: new Map([[url, state]]) };
  }

  #unchanged(graph: ModuleGraph): boolean {
    if (this.#looked.has(graph)) return true;
    for (const [url, state] of graph.states) if (this.#state(url) !== state) return false;
    if (this.#looked.size === 0) afterThisTurn(() => this.#looked.clear());
    this.#looked.add(graph);
    return true;
  }
}

/** Time and size of a file. Synchronous: it takes some microseconds, where a promise would take a hundred. */
export function fileState(url: string): string {
  try {
    const path = new URL(url);
    if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return "unreadable";
    const { mtime, size } = Deno.statSync(path);
    return `${mtime?.getTime()}:${size}`;
  } catch {
    return "missing";
  }
}

/** Options of {@linkcode createModuleSource}. */
export interface ModuleSourceOptions {
  /** Flags that say how the host itself loads modules: configuration, certificates, allowed imports. */
  readonly flags: readonly string[];
  /** The environment of the commands. */
  readonly environment: Readonly<Record<string, string>>;
  /** Milliseconds until one is given up. @default {10000} */
  readonly timeout?: number;
}

/** Asks Deno: nothing of a module is run. Needs permission to run Deno. */
export function createModuleSource(options: ModuleSourceOptions): ModuleSource {
  return {
    async list(url) {
      // A target's URL comes from a client: it must not be taken for a flag.
      if (!url.startsWith("file:///")) return undefined;
      const { success, stdout } = await runDeno(["info", "--json", ...options.flags, url], options);
      return success ? filesOf(JSON.parse(new TextDecoder().decode(stdout))) : undefined;
    },
    async reload(url) {
      if (!/^https?:\/\//.test(url)) return;
      await runDeno(["cache", `--reload=${new URL(url).origin}`, ...options.flags, url], options);
    },
  };
}

function runDeno(args: string[], { environment, timeout = 10_000 }: ModuleSourceOptions): Promise<Deno.CommandOutput> {
  const signal = AbortSignal.timeout(timeout);
  const command = new Deno.Command(Deno.execPath(), {
    args,
    clearEnv: true,
    env: environment,
    stdin: "null",
    stderr: "null",
    signal,
  });
  return command.output();
}

/** As much of what `deno info --json` says as is used here. */
interface ModuleInfo {
  readonly roots?: readonly string[];
  readonly modules?: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly { readonly code?: { readonly specifier?: string } }[];
  }[];
}

/** What is imported for its types alone is not loaded, and may change as it likes. */
function filesOf({ roots = [], modules = [] }: ModuleInfo): readonly string[] {
  const dependencies = new Map(modules.map((module) => [module.specifier, module.dependencies ?? []]));
  const found = new Set(roots);
  for (const specifier of found) {
    for (const { code } of dependencies.get(specifier) ?? []) if (code?.specifier) found.add(code.specifier);
  }
  return [...found].filter((specifier) => specifier.startsWith("file:"));
}
