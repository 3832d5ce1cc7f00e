/**
 * Finds the variables that a class or function sent by value left behind.
 *
 * @module
 */

import { FreeVariableError, ModuleLoadError, type SubmittedTarget } from "../protocol/mod.ts";

/** A node of the syntax tree, as ESTree has it. */
interface SyntaxNode {
  readonly type: string;
  readonly [field: string]: unknown;
}

/**
 * Checks a target that was sent by value, before any of it runs.
 *
 * @throws {FreeVariableError} Naming each variable that is neither declared in the source nor a global of this isolate.
 * @throws {ModuleLoadError} Where the parser cannot be loaded.
 */
export async function checkByValue(target: SubmittedTarget): Promise<void> {
  const variables = await findFreeVariables(sourceOf(target.module));
  if (variables.length === 0) return;
  const names = variables.join(", ");
  throw new FreeVariableError(
    `Cannot run ${target.name} by value: it uses ${names}, which ${
      variables.length === 1 ? "is" : "are"
    } not part of it. ` +
      `Export it from a module and submit it with { module: import.meta.resolve("./…") }, or pass ${names} as arguments`,
    { variables },
  );
}

/**
 * The names that a module uses and neither declares nor finds among the globals of this isolate, each once, sorted.
 * A module that does not parse has none: loading it says what is wrong with it.
 *
 * @throws {ModuleLoadError} Where the parser cannot be loaded.
 */
export async function findFreeVariables(source: string): Promise<string[]> {
  const parse = await loadParser();
  let program: SyntaxNode;
  try {
    program = parse(source, { ecmaVersion: "latest", sourceType: "module" }) as unknown as SyntaxNode;
  } catch {
    return [];
  }
  const search = new Search();
  search.visit(program, new Scope(undefined, true));
  return search.free();
}

async function loadParser(): Promise<typeof import("npm:acorn@^8.15.0").parse> {
  try {
    return (await import("npm:acorn@^8.15.0")).parse;
  } catch (cause) {
    throw new ModuleLoadError("Cannot check a target sent by value: its parser, npm:acorn, did not load", { cause });
  }
}

/** The text in a `data:` URL. */
function sourceOf(url: string): string {
  const comma = url.indexOf(",");
  const text = url.slice(comma + 1);
  if (!/;base64$/i.test(url.slice(0, comma))) return decodeURIComponent(text);
  return new TextDecoder().decode(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)));
}

/** The names that one function or block declares. */
class Scope {
  readonly names = new Set<string>();
  readonly parent: Scope | undefined;
  /** Where `var` goes. */
  readonly functionScope: Scope;

  constructor(parent: Scope | undefined, isFunction: boolean) {
    this.parent = parent;
    this.functionScope = isFunction || parent === undefined ? this : parent.functionScope;
  }

  has(name: string): boolean {
    return this.names.has(name) || (this.parent?.has(name) ?? false);
  }
}

/** Notes every use with its scope, and looks names up only at the end: by then all that is hoisted has been declared. */
class Search {
  readonly #uses: { readonly name: string; readonly scope: Scope }[] = [];

  free(): string[] {
    const names = this.#uses.filter(({ name, scope }) => !scope.has(name) && !(name in globalThis));
    return [...new Set(names.map(({ name }) => name))].sort();
  }

  visit(node: SyntaxNode, scope: Scope): void {
    switch (node.type) {
      case "Identifier":
        this.#uses.push({ name: node.name as string, scope });
        return;
      case "FunctionDeclaration":
        this.#declare(node.id, scope);
        return this.#visitFunction(node, scope);
      case "FunctionExpression":
      case "ArrowFunctionExpression":
        return this.#visitFunction(node, scope);
      case "ClassDeclaration":
        this.#declare(node.id, scope);
        return this.#visitClass(node, scope);
      case "ClassExpression":
        return this.#visitClass(node, scope);
      case "StaticBlock":
        return this.#visitFields(node, new Scope(scope, true));
      case "BlockStatement":
      case "ForStatement":
      case "ForInStatement":
      case "ForOfStatement":
      case "SwitchStatement":
        return this.#visitFields(node, new Scope(scope, false));
      case "CatchClause": {
        const inner = new Scope(scope, false);
        this.#declare(node.param, inner);
        return this.#visitAll(node.body, inner);
      }
      case "VariableDeclaration":
        for (const { id, init } of node.declarations as { id: unknown; init: unknown }[]) {
          this.#declare(id, node.kind === "var" ? scope.functionScope : scope, scope);
          this.#visitAll(init, scope);
        }
        return;
      case "ImportDeclaration":
        for (const { local } of node.specifiers as { local: unknown }[]) this.#declare(local, scope);
        return;
      case "MemberExpression":
        this.#visitAll(node.object, scope);
        if (node.computed) this.#visitAll(node.property, scope);
        return;
      case "Property":
      case "MethodDefinition":
      case "PropertyDefinition":
        if (node.computed) this.#visitAll(node.key, scope);
        return this.#visitAll(node.value, scope);
      case "ExportSpecifier":
        return this.#visitAll(node.local, scope);
      case "LabeledStatement":
        return this.#visitAll(node.body, scope);
      case "UnaryExpression":
        // `typeof x` is how code asks whether there is an `x`.
        if (node.operator === "typeof" && (node.argument as SyntaxNode).type === "Identifier") return;
        return this.#visitFields(node, scope);
      case "BreakStatement":
      case "ContinueStatement":
      case "MetaProperty":
        return;
      default:
        return this.#visitFields(node, scope);
    }
  }

  #visitFunction(node: SyntaxNode, scope: Scope): void {
    const inner = new Scope(scope, true);
    if (node.type === "FunctionExpression") this.#declare(node.id, inner);
    if (node.type !== "ArrowFunctionExpression") inner.names.add("arguments");
    for (const parameter of node.params as unknown[]) this.#declare(parameter, inner);
    this.#visitAll(node.body, inner);
  }

  #visitClass(node: SyntaxNode, scope: Scope): void {
    const inner = new Scope(scope, false);
    this.#declare(node.id, inner);
    this.#visitAll(node.superClass, inner);
    this.#visitAll(node.body, inner);
  }

  /** Declares the names of a pattern in `target`; its defaults and computed keys are uses in `scope`. */
  #declare(pattern: unknown, target: Scope, scope: Scope = target): void {
    if (!isNode(pattern)) return;
    switch (pattern.type) {
      case "Identifier":
        target.names.add(pattern.name as string);
        return;
      case "ObjectPattern":
        for (const property of pattern.properties as unknown[]) this.#declare(property, target, scope);
        return;
      case "Property":
        if (pattern.computed) this.#visitAll(pattern.key, scope);
        return this.#declare(pattern.value, target, scope);
      case "ArrayPattern":
        for (const element of pattern.elements as unknown[]) this.#declare(element, target, scope);
        return;
      case "RestElement":
        return this.#declare(pattern.argument, target, scope);
      case "AssignmentPattern":
        this.#declare(pattern.left, target, scope);
        return this.#visitAll(pattern.right, scope);
    }
  }

  #visitFields(node: SyntaxNode, scope: Scope): void {
    for (const field of Object.values(node)) this.#visitAll(field, scope);
  }

  #visitAll(field: unknown, scope: Scope): void {
    if (Array.isArray(field)) { for (const element of field) this.#visitAll(element, scope); }
    else if (isNode(field)) this.visit(field, scope);
  }
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}
