/**
 * Why a value cannot be sent, in words for the person who tried.
 *
 * @module
 */

/** What was found and what to do instead, to be put after "cannot send": `a WebSocket; send its data instead`. */
export function describeRefusal(value: unknown): string {
  if (typeof value === "symbol") return "a symbol; send its description";
  if (typeof value === "function") return describeFunction(value);
  if (typeof value === "string") return "a string with half of a surrogate pair; call its toWellFormed() first";
  if (typeof value === "bigint") return "a bigint this large";
  return describeObject(value as object);
}

function describeFunction(value: unknown): string {
  const source = Function.prototype.toString.call(value);
  const name = nameOf(value as { name?: unknown });
  if (/^class\b/.test(source)) {
    return `the class ${name || "(anonymous)"}; submit it, and send the handle of an instance`;
  }
  return `the function ${name || "(anonymous)"}; send the handle of an actor that has it as a method`;
}

function describeObject(value: object): string {
  if (value instanceof Promise) return "a Promise; await it first";
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  switch (tag) {
    case "Arguments":
      return "an arguments object; send [...arguments]";
    case "Number":
    case "String":
    case "Boolean":
    case "Symbol":
    case "BigInt":
      return `a ${tag} object; send the primitive value in it`;
    case "Generator":
    case "AsyncGenerator":
      return "a generator; send its values as an array, or make the method a generator";
    case "WeakMap":
    case "WeakSet":
    case "WeakRef":
      return `a ${tag}; what it holds cannot be listed`;
    case "SharedArrayBuffer":
      return "a SharedArrayBuffer; memory cannot be shared with another process, so send a copy of it";
  }
  if (ArrayBuffer.isView(value) && !(value.buffer instanceof ArrayBuffer)) {
    return `${withArticle(tag)} over a SharedArrayBuffer; send a copy of it`;
  }
  const name = classNameOf(value);
  const base = plainBaseOf(value);
  if (base !== undefined) {
    return name === base
      ? `an object that pretends to be ${withArticle(base)}`
      : `${withArticle(name)}, which extends ${base}; send a plain ${base}`;
  }
  if (isGlobal(name, value)) return `${withArticle(name)}; send its data instead`;
  return `an instance of ${name}; send plain data, or make it an actor and send its handle`;
}

/** The nearest class above the value's own whose instances can be sent. */
function plainBaseOf(value: object): string | undefined {
  for (const base of [Array, Map, Set, Date, URL, RegExp, ArrayBuffer]) if (value instanceof base) return base.name;
  if (!ArrayBuffer.isView(value)) return undefined;
  return value instanceof DataView
    ? "DataView"
    : (value as unknown as { [Symbol.toStringTag]: string })[Symbol.toStringTag];
}

function classNameOf(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (typeof prototype !== "object" || prototype === null) return "an unknown class";
  const own = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value as { name?: unknown } | undefined;
  return (own !== undefined && nameOf(own)) || "an unnamed class";
}

/** Whether the class is the platform's and not the user's. */
function isGlobal(name: string, value: object): boolean {
  const known = (globalThis as unknown as Record<string, { prototype?: unknown } | undefined>)[name];
  return typeof known === "function" && known.prototype === Object.getPrototypeOf(value);
}

function withArticle(name: string): string {
  return `${/^[AEIO]/i.test(name) ? "an" : "a"} ${name}`;
}

function nameOf(value: { name?: unknown }): string {
  const name = Object.getOwnPropertyDescriptor(value, "name")?.value;
  return typeof name === "string" ? name : "";
}
