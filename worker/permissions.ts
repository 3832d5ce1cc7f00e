/**
 * What user code on a worker may do: the flags with which a host process starts.
 *
 * @module
 */

/** Deno's permissions. */
export const PERMISSION_NAMES = ["net", "read", "env", "import", "write", "run", "ffi", "sys"] as const;

/** One of Deno's permissions. */
export type PermissionName = (typeof PERMISSION_NAMES)[number];

/** Variables of the environment that no host gets. */
export const SECRET_VARIABLES = ["TROUPE_TOKEN", "TROUPE_TOKEN_FILE", "DENO_AUTH_TOKENS"] as const;

/** Permissions by name, each with what it is limited to: an empty list is all of it. */
export type Grants = ReadonlyMap<PermissionName, readonly string[]>;

/** Options of {@linkcode hostPermissions}. */
export interface HostPermissionsOptions {
  /** Address of the scheduler: what it serves may be imported. */
  readonly scheduler: string;
  /** Prefixes of module URLs that may be loaded. */
  readonly allowModules: readonly string[];
  /** What the worker's user adds, as in `write=/data run=git`. */
  readonly allow: string;
  /** What the worker's user takes away, as in `env net=10.0.0.1`. */
  readonly deny: string;
  /** Files and folders that hold tokens. */
  readonly tokenPaths: readonly string[];
  /** URL of a file of Troupe. */
  readonly origin: string;
}

/**
 * The permission flags of a host: net, read, env and the imports that its modules may have, but no write, run, ffi or
 * sys unless the worker's user says so; and never the token.
 *
 * @throws {TypeError} Where `allow` or `deny` names no permission, or takes away one that hosts cannot do without.
 */
export function hostPermissions(options: HostPermissionsOptions): string[] {
  const { scheduler, allowModules, tokenPaths, origin } = options;
  const allowed = new Map<PermissionName, string[]>([
    ["net", []],
    ["read", []],
    ["env", []],
    ["import", importHosts([scheduler, origin, ...allowModules])],
  ]);
  const denied = new Map<PermissionName, string[]>([["read", [...tokenPaths]], ["env", [...SECRET_VARIABLES]]]);
  for (const [name, limits] of parseGrants(options.allow, "allow")) {
    if (name === "import" && limits.length === 0) {
      throw new TypeError('Cannot allow import of everything: name the hosts, as in "import=jsr.io:443"');
    }
    allowMore(allowed, name, limits);
  }
  for (const [name, limits] of parseGrants(options.deny, "deny")) {
    if (limits.length > 0) denied.set(name, [...denied.get(name) ?? [], ...limits]);
    else if (name === "net") {
      throw new TypeError("Cannot deny net: a host talks to its scheduler and its callers over it");
    } // Modules are read from somewhere: without read, a host still reads its own files, to start isolates.
    else if (name === "read" && origin.startsWith("file:")) allowed.set("read", [pathOf(new URL("../", origin))]);
    else allowed.delete(name);
  }
  const flags: string[] = [];
  for (const name of PERMISSION_NAMES) {
    const limits = allowed.get(name);
    // An import list is always explicit: Deno's own holds public paste sites.
    if (name === "import" && !limits?.length) flags.push("--deny-import");
    else if (limits) flags.push(limits.length === 0 ? `--allow-${name}` : `--allow-${name}=${limits.join(",")}`);
    const refused = denied.get(name);
    if (limits && refused?.length) flags.push(`--deny-${name}=${refused.join(",")}`);
  }
  return flags;
}

/** Permission flags as a line for people: `net, read (not /home/me/.config/troupe), env`. */
export function describePermissions(flags: readonly string[]): string {
  const denied = new Map(flags.filter((flag) => flag.startsWith("--deny-")).map(split));
  const parts = flags.filter((flag) => flag.startsWith("--allow-")).map((flag) => {
    const [name, limits] = split(flag);
    const refused = denied.get(name);
    return `${name}${limits ? `=${limits}` : ""}${refused ? ` (not ${refused})` : ""}`;
  });
  return parts.join(", ");

  function split(flag: string): [string, string] {
    const [name = "", limits = ""] = flag.replace(/^--(allow|deny)-/, "").split("=", 2);
    return [name, limits];
  }
}

/**
 * Reads what the flags `--allow` and `--deny` say: permissions with a space between them, each with what it is limited
 * to after an equals sign.
 *
 * @throws {TypeError} Naming what is no permission.
 */
export function parseGrants(text: string, flag: "allow" | "deny"): Grants {
  const grants = new Map<PermissionName, readonly string[]>();
  for (const part of text.split(/\s+/).filter(Boolean)) {
    const [name, limits] = [part.split("=", 1)[0]!, part.includes("=") ? part.slice(part.indexOf("=") + 1) : ""];
    if (!isPermissionName(name)) {
      const known = PERMISSION_NAMES.join(", ");
      throw new TypeError(
        `Cannot ${flag} ${JSON.stringify(part)}: the permissions are ${known}, as in "write=/data run=git"`,
      );
    }
    grants.set(name, limits.split(",").filter(Boolean));
  }
  return grants;
}

/** Where a host may put what does not fit into its memory: folders that it was given, and that of the system. */
export function spillFolders(flags: readonly string[]): string[] {
  const write = flags.find((flag) => flag.startsWith("--allow-write="));
  const given = write?.slice("--allow-write=".length).split(",") ?? [];
  return [...given, temporaryFolder()];
}

/** The folder of the system for files that do not last, as Deno finds it; asks for nothing. */
function temporaryFolder(): string {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "TMPDIR" });
  return (state === "granted" && Deno.env.get("TMPDIR")) || "/tmp";
}

/** The environment of a host: the worker's own without its secrets. */
export function hostEnvironment(environment: Readonly<Record<string, string>>): Record<string, string> {
  const rest = { ...environment };
  for (const name of SECRET_VARIABLES) delete rest[name];
  return rest;
}

/** Adds limits to limits; all of a permission is more than a part of it. */
function allowMore(allowed: Map<PermissionName, string[]>, name: PermissionName, limits: readonly string[]): void {
  const now = allowed.get(name);
  const isAll = now?.length === 0 && name !== "import";
  if (isAll || limits.length === 0) allowed.set(name, []);
  else allowed.set(name, [...now ?? [], ...limits]);
}

/** `host:port` of each URL that has a host. */
function importHosts(urls: readonly string[]): string[] {
  const hosts = urls.flatMap((text) => {
    const url = URL.parse(text);
    if (url === null || !/^(https?|wss?):$/.test(url.protocol)) return [];
    const port = url.port || (/^(https|wss):$/.test(url.protocol) ? "443" : "80");
    return [`${url.hostname}:${port}`];
  });
  return [...new Set(hosts)];
}

function pathOf(url: URL): string {
  return decodeURIComponent(url.pathname);
}

function isPermissionName(name: string): name is PermissionName {
  return (PERMISSION_NAMES as readonly string[]).includes(name);
}
