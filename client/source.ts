/**
 * Targets sent by value: their source, as a module. Types are gone from it, and so is all that it refers to; free
 * variables are found on the worker, which has a parser.
 *
 * @module
 */

import { SerializationError } from "../protocol/errors.ts";
import { functionName, targetName } from "./describe_value.ts";

/** White space and comments between tokens. */
const GAP = String.raw`(?:\s|/\*[^]*?\*/|//[^\n]*\n)*`;
const NAME = String.raw`[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*`;

const NATIVE = /\{\s*\[native code\]\s*\}\s*$/;
const DECORATED = /\b_apply_decs\w*\(|\b__esDecorate\(|\b__runInitializers\(/;
const CLASS_EXTENDS = new RegExp(
  `^class${GAP}(?:(?!extends\\b)${NAME}${GAP})?extends\\b${GAP}([\\w$.]*)${GAP}(.)`,
  "u",
);
const FUNCTION = new RegExp(`^(?:async${GAP})?function\\b`, "u");
const ARROW = new RegExp(`^(?:\\(|(?:async${GAP})?${NAME}${GAP}=>)`, "u");
const ASYNC_PARENTHESIS = new RegExp(`^async${GAP}\\(`, "u");

/**
 * The `data:` module whose default export is `target`, and the source in it.
 *
 * @throws {SerializationError} With the reason, where the source of `target` is not a whole: native, bound and decorated
 * targets, methods and accessors, classes that extend anything but a global.
 */
export function sourceModule(
  target: { readonly name: unknown },
  kind: "class" | "function",
): { module: string; source: string } {
  const source = Function.prototype.toString.call(target);
  const name = targetName(target);
  const obstacle = findObstacle(target, kind, source, name);
  if (obstacle !== undefined) {
    throw new SerializationError(`Cannot send ${name} by value: ${obstacle}`, { path: "target", executed: "no" });
  }
  // An anonymous function gets the name of its property; a binding of ours could be mistaken for one of the user's.
  const property = JSON.stringify(functionName(target));
  const text = property === '""'
    ? `export default (${source});`
    : `export default ({ [${property}]: (${source}) })[${property}];`;
  return { module: `data:text/javascript,${encodeURIComponent(text)}`, source };
}

function findObstacle(
  target: { readonly name: unknown },
  kind: "class" | "function",
  source: string,
  name: string,
): string | undefined {
  if (NATIVE.test(source)) {
    return name.startsWith("bound ")
      ? "a bound function has no source. Send the function itself, and what it was bound to as an argument"
      : `it is native and has no source. Wrap it in a ${kind} of your own`;
  }
  if (kind === "class") return findClassObstacle(target, source, name);
  if (FUNCTION.test(source) || ARROW.test(source)) return undefined;
  // `async (x) => …` is an arrow function, `async(x) {…}` a method of that name.
  if (ASYNC_PARENTHESIS.test(source) && Object.prototype.toString.call(target) === "[object AsyncFunction]") {
    return undefined;
  }
  return "the source of a method, getter or setter does not stand alone. Write an arrow function or a function statement";
}

function findClassObstacle(target: { readonly name: unknown }, source: string, name: string): string | undefined {
  if (DECORATED.test(source)) {
    return `its decorators were compiled into its source. Export it from a module and end that with remote(import.meta, { ${name} })`;
  }
  const match = CLASS_EXTENDS.exec(source);
  if (match === null) return undefined;
  const [, base = "", next] = match;
  if (base === "null" && next === "{") return undefined;
  const parent: unknown = Object.getPrototypeOf(target);
  if (next === "{" && parent === globalValue(base)) return undefined;
  const parentName = typeof parent === "function" ? targetName(parent) : "a value";
  return `it extends ${parentName}, which is no global. Export both from a module and give { module: import.meta.resolve("./…") }`;
}

/** The value of `Array` or `Temporal.PlainDate`. */
function globalValue(path: string): unknown {
  return path.split(".").reduce(
    (holder: unknown, name) => (holder as Record<string, unknown> | undefined)?.[name],
    globalThis,
  );
}
