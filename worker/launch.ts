/**
 * How the processes of one worker are started: the flags and the environment that all of them get.
 *
 * @module
 */

import { GARBAGE_FLAG } from "./garbage.ts";
import { type HomeGrants, narrowPermissions } from "./home_permissions.ts";
import { hostEnvironment, hostPermissions } from "./permissions.ts";
import { allowedModules, tokenPaths, type WorkerSettings } from "./settings.ts";

/** Has glibc give large blocks back to the system as soon as they are free: else memory that is free counts as used. */
const FREE_AT_ONCE = { MALLOC_MMAP_THRESHOLD_: "1048576" };

/** What a worker starts processes with. */
export class Launch {
  /** Prefixes of module URLs that may be loaded. */
  readonly allowModules: readonly string[];
  /** The permission flags of a host. */
  readonly permissions: readonly string[];
  readonly #environment: Readonly<Record<string, string>>;
  readonly #loading: readonly string[];

  /**
   * @param loopback Whether the scheduler is on loopback, as it says of itself.
   * @throws {TypeError} Where the settings take away what a host cannot do without.
   */
  constructor(settings: WorkerSettings, loopback: boolean) {
    this.allowModules = allowedModules(settings, loopback);
    this.permissions = hostPermissions({
      scheduler: settings.scheduler,
      allowModules: this.allowModules,
      allow: settings.allow,
      deny: settings.deny,
      tokenPaths: tokenPaths(),
      origin: import.meta.url,
    });
    this.#environment = hostEnvironment(Deno.env.toObject());
    this.#loading = [
      ...settings.config ? [`--config=${settings.config}`] : ["--no-config"],
      "--no-lock",
      ...settings.certificates ? [`--cert=${settings.certificates}`] : [],
    ];
  }

  /** Flags and environment of a Deno that looks at modules, and runs none. */
  get forModules(): { readonly flags: string[]; readonly environment: Readonly<Record<string, string>> } {
    const flags = [...this.#loading, ...this.permissions.filter((flag) => /^--(allow|deny)-import/.test(flag))];
    return { flags, environment: this.#environment };
  }

  /** The environment of a process with a limit of memory in bytes; 0 for none. */
  environment(memoryLimit: number): Readonly<Record<string, string>> {
    return memoryLimit > 0 ? { ...this.#environment, ...FREE_AT_ONCE } : this.#environment;
  }

  /**
   * Flags of a process.
   *
   * @param memoryLimit In bytes; 0 for none.
   * @param grants What it may do, where that is less than a host may.
   * @throws {TypeError} Where that is more.
   */
  flags(memoryLimit: number, grants?: HomeGrants): string[] {
    return [
      "--no-prompt",
      "--unstable-worker-options",
      ...this.#loading,
      ...grants ? narrowPermissions(this.permissions, grants) : this.permissions,
      // V8 ends a process whose heap is full sooner, and with a better message, than the nanny could.
      ...memoryLimit > 0 ? [`--v8-flags=--max-old-space-size=${Math.ceil(memoryLimit / 2 ** 20)},${GARBAGE_FLAG}`] : [],
    ];
  }
}
