/**
 * What the code of a home of its own may do: what its user grants, what such a home cannot do without, and never more
 * than its host may.
 *
 * @module
 */

import type { HomePermissions } from "../protocol/mod.ts";
import { PERMISSION_NAMES, type PermissionName } from "./permissions.ts";

/** What a home of its own may do. */
export interface HomeGrants {
  /** What its user grants. */
  readonly permissions: HomePermissions;
  /** Addresses that it has to reach, or to listen on, besides. */
  readonly net: readonly string[];
  /** Files and folders that it has to read besides. */
  readonly read: readonly string[];
}

/** What is granted of one permission: all of it, some of it, nothing, or what the host has. */
type Grant = boolean | "inherit" | readonly string[];

/**
 * The permissions of a Web Worker; `undefined` for those of its host. Deno refuses what is more than that.
 *
 * @throws {TypeError} For a name that is none.
 */
export function webWorkerPermissions(grants: HomeGrants): Deno.PermissionOptions | undefined {
  if (grants.permissions === "inherit") return undefined;
  const granted = Object.fromEntries(PERMISSION_NAMES.map((name) => [name, grantOf(name, grants)]));
  return granted as Deno.PermissionOptionsObject;
}

/**
 * The permission flags of a process.
 *
 * @param hostFlags Those of its host.
 * @throws {TypeError} For a name that is none, and for what the host has not.
 */
export function narrowPermissions(hostFlags: readonly string[], grants: HomeGrants): string[] {
  if (grants.permissions === "inherit") return [...hostFlags];
  const flags: string[] = [];
  for (const name of PERMISSION_NAMES) {
    const grant = grantOf(name, grants);
    const held = heldOf(hostFlags, name);
    const refused = hostFlags.filter((flag) => flag.startsWith(`--deny-${name}`));
    if (grant === "inherit" || name === "import" && grant === true) {
      flags.push(...hostFlags.filter((flag) => flag.startsWith(`--allow-${name}`)), ...refused);
      continue;
    }
    const isNothing = grant === false || Array.isArray(grant) && grant.length === 0;
    if (isNothing) {
      // Its own list of hosts stands in for a flag that is left out.
      if (name === "import") flags.push("--deny-import");
      continue;
    }
    // A comma would begin another one.
    const comma = Array.isArray(grant) && grant.find((part: string) => part.includes(","));
    if (comma) throw new TypeError(`Cannot grant ${name} for ${JSON.stringify(comma)}: it holds a comma`);
    if (!covers(name, held, grant)) throw new TypeError(notHeld(name, grant));
    flags.push(grant === true ? `--allow-${name}` : `--allow-${name}=${(grant as readonly string[]).join(",")}`);
    flags.push(...refused);
  }
  return flags;
}

/** Why a home cannot have a permission. */
export function notHeld(name: string, grant: Grant | undefined): string {
  const wanted = Array.isArray(grant) && grant.length > 0 ? `${name}=${grant.join(",")}` : name;
  return `Cannot grant ${wanted}: the hosts of this worker do not have it themselves. Start the worker with --allow ${
    /[ "]/.test(wanted) ? `'${wanted}'` : wanted
  }`;
}

/** Whether a home can reach whatever it likes: then it talks to the scheduler and to its peers by itself. */
export function reachesAll({ permissions }: HomeGrants): boolean {
  if (typeof permissions === "string") return permissions === "inherit";
  return permissions.net === true || permissions.net === "inherit";
}

function grantOf(name: PermissionName, { permissions, net, read }: HomeGrants): Grant {
  // What may be imported is the business of the worker's list of modules, unless its user narrows it.
  const own = typeof permissions === "string" ? name === "import" && "inherit" : permissions[name] ??
    (name === "import" && "inherit");
  const needed = name === "net" ? net : name === "read" ? read : [];
  if (needed.length === 0 || own === true || own === "inherit") return own;
  return [...own === false ? [] : own, ...needed];
}

/** What a host has of a permission; `false` for nothing. */
function heldOf(hostFlags: readonly string[], name: PermissionName): true | false | readonly string[] {
  const flag = hostFlags.find((flag) => flag === `--allow-${name}` || flag.startsWith(`--allow-${name}=`));
  if (flag === undefined) return false;
  return flag.includes("=") ? flag.slice(flag.indexOf("=") + 1).split(",") : true;
}

/** Whether all that is granted is held. What Deno would take for a part of something else is not looked at. */
function covers(name: PermissionName, held: true | false | readonly string[], grant: Grant): boolean {
  if (held === true) return true;
  if (held === false || !Array.isArray(grant)) return false;
  const isPath = name === "read" || name === "write";
  return grant.every((wanted: string) =>
    held.some((had) => had === wanted || isPath && wanted.startsWith(had.endsWith("/") ? had : `${had}/`)) &&
    !/(^|\/)\.\.(\/|$)/.test(wanted)
  );
}
