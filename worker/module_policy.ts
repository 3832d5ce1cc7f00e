/**
 * Which modules a worker may load.
 *
 * A module is compared with the list after both were parsed, and only in the one spelling that a URL parser itself
 * would write, so that nothing means one thing here and another to the loader. The host's `--allow-import` says the
 * same a second time, and is what stops redirects.
 *
 * @module
 */

import { ModuleNotAllowedError } from "../protocol/mod.ts";

/** Schemes with hosts and folders; the rest of any other URL is opaque. */
const HIERARCHICAL = new Set(["file:", "http:", "https:"]);

/** One entry of the list. */
interface Prefix {
  readonly protocol: string;
  /** `undefined` where the entry is a scheme alone. */
  readonly host: string | undefined;
  readonly path: string | undefined;
}

/** The list of a worker, parsed once. */
export class ModulePolicy {
  readonly #texts: readonly string[];
  readonly #prefixes: readonly Prefix[];

  /**
   * @param prefixes Beginnings of module URLs: a scheme (`file:`), an origin (`https://host:8080`), or a path of one:
   * `https://host/actors` allows that module and what is below it, but not `https://host/actors2`.
   * @throws {TypeError} For a prefix that is no URL, or that says more than a beginning.
   */
  constructor(prefixes: readonly string[]) {
    this.#texts = prefixes;
    this.#prefixes = prefixes.map(parsePrefix);
  }

  /**
   * Does nothing for a module that may be loaded.
   *
   * @throws {ModuleNotAllowedError} Naming the module, what is wrong with it, what is allowed, and the flag.
   */
  check(module: string): void {
    const url = URL.parse(module);
    if (url === null) throw this.#refusal(module, "it is no absolute URL");
    const trick = findTrick(module, url);
    if (trick !== undefined) throw this.#refusal(module, trick);
    const prefix = this.#prefixes.find((one) => covers(one, url));
    if (prefix === undefined) throw this.#refusal(module, "no allowed prefix fits it");
    if (url.protocol === "file:" && prefix.path !== undefined) this.#checkRealPath(module, url);
  }

  /** A symbolic link below an allowed folder may lead out of it. What is not there fails when it is loaded. */
  #checkRealPath(module: string, url: URL): void {
    const real = realUrl(url);
    if (real === undefined) return;
    const inside = this.#prefixes.some((prefix) => covers(prefix, real) || covers(realPrefix(prefix), real));
    if (!inside) throw this.#refusal(module, `it is a link to ${real.href}, and no allowed prefix fits that`);
  }

  #refusal(module: string, found: string): ModuleNotAllowedError {
    const shown = module.length > 200 ? `${module.slice(0, 200)}…` : module;
    const allowed = this.#texts.length === 0 ? "nothing" : this.#texts.join(", ");
    return new ModuleNotAllowedError(
      `Cannot load ${shown}: ${found}. Allowed on this worker: ${allowed}. Start it with --allow-modules=PREFIX,… to allow more`,
    );
  }
}

function parsePrefix(text: string): Prefix {
  if (/^[a-z][a-z0-9+.-]*:$/.test(text)) return { protocol: text, host: undefined, path: undefined };
  const url = URL.parse(text);
  if (url === null) {
    throw wrongPrefix(text, "write a scheme (file:), an origin (https://host) or a path (https://host/actors/)");
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    throw wrongPrefix(text, "user info, queries and fragments have no place in a prefix");
  }
  return { protocol: url.protocol, host: url.host, path: url.pathname };
}

function wrongPrefix(text: string, advice: string): TypeError {
  return new TypeError(`Cannot allow modules that begin with ${JSON.stringify(text)}: ${advice}`);
}

/** What makes a URL suspicious, whatever the list says. */
function findTrick(text: string, url: URL): string | undefined {
  if (url.username !== "" || url.password !== "") return "user info has no place in the URL of a module";
  if (!HIERARCHICAL.has(url.protocol)) return undefined;
  // Upper case, `..`, backslashes, default ports, numbers for an IP address: the parser rewrites them all.
  if (text !== url.href) return `it is not in its normal form, ${url.href}`;
  if (url.hostname.endsWith(".")) return "its host ends with a dot";
  if (url.protocol === "file:" && url.host !== "") return "a file: URL has no host";
  // The loader decodes these, and would then see a path that was never compared.
  if (/%2f|%5c|%00/i.test(url.pathname)) return "its path holds an encoded slash";
  return undefined;
}

function covers(prefix: Prefix, url: URL): boolean {
  if (prefix.protocol !== url.protocol) return false;
  if (prefix.path === undefined) return true;
  if (prefix.host !== url.host || !url.pathname.startsWith(prefix.path)) return false;
  const next = url.pathname[prefix.path.length];
  return next === undefined || prefix.path.endsWith("/") || next === "/" ||
    (next === "@" && !HIERARCHICAL.has(url.protocol));
}

function realPrefix(prefix: Prefix): Prefix {
  if (prefix.protocol !== "file:" || prefix.path === undefined) return prefix;
  const real = realUrl(new URL(prefix.path, "file:///"));
  return real === undefined ? prefix : { ...prefix, path: real.pathname };
}

/** Where a `file:` URL leads once links are followed; `undefined` where nothing is there, or it may not be read. */
function realUrl(url: URL): URL | undefined {
  try {
    const real = new URL("file:///");
    real.pathname = Deno.realPathSync(url).replaceAll("%", "%25").replaceAll("\\", "%5C");
    return real;
  } catch {
    return undefined;
  }
}
