/**
 * Lint rules that keep the layers apart. `deno.json` lists this file under `lint.plugins`.
 *
 * - `troupe/layers` refuses an import that runs against the order of the layers.
 * - `troupe/platform` refuses `Deno` and `node:` imports where the code has to run in a browser as well.
 *
 * @module
 */

/** What each layer may import, besides itself. A directory that is not listed (tests, bench, examples, tools) is free. */
const ALLOWED: Record<string, readonly string[]> = {
  protocol: [],
  connection: ["protocol"],
  dashboard: [],
  client: ["protocol", "connection"],
  scheduler: ["protocol", "connection", "dashboard"],
  worker: ["protocol", "connection", "client"],
  cluster: ["protocol", "connection", "client", "scheduler", "worker"],
  cli: ["protocol", "client", "scheduler"],
  "mod.ts": ["protocol", "client"],
};

/** The only layers that serve HTTP, and so the only ones that may load Hono. */
const SERVERS: readonly string[] = ["scheduler", "worker"];

const PORTABLE: readonly string[] = ["protocol", "connection", "client", "mod.ts"];

/** The one portable file that may look for `Deno`. */
const PLATFORM_FILE = "client/platform.ts";

/** Imports with one of these `type` attributes load data, not code, so they make no dependency between layers. */
const DATA_TYPES: readonly string[] = ["text", "bytes", "json"];

const GLOBAL_OBJECTS: readonly string[] = ["globalThis", "self", "window"];

const ROOT = new URL("../", import.meta.url);

type ImportLike =
  | Deno.lint.ImportDeclaration
  | Deno.lint.ExportNamedDeclaration
  | Deno.lint.ExportAllDeclaration;

/** The path of a URL below the project's root, or `undefined` if it is not there. */
function projectPath(url: URL): string | undefined {
  return url.href.startsWith(ROOT.href) ? url.href.slice(ROOT.href.length) : undefined;
}

function fileUrl(filename: string): URL {
  const path = filename.replaceAll("\\", "/");
  const absolute = /^[A-Za-z]:/.test(path) ? `/${path}` : path;
  return new URL(absolute.replaceAll("%", "%25").replaceAll("#", "%23").replaceAll("?", "%3F"), ROOT);
}

/** The layer of a path: its first directory, or the file itself at the root (`mod.ts`). */
function layerOf(path: string): string {
  return path.split("/", 1)[0] ?? path;
}

/** Why `layer` may not import `specifier`, or `undefined` if it may. */
function refusal(layer: string, file: URL, specifier: string): string | undefined {
  const allowed = ALLOWED[layer];
  if (allowed === undefined) return undefined;
  // The command line is a typed client of the API: by types of the routes, and a library that serves nothing.
  const isClient = layer === "cli" && /^npm:hono@[^/]*\/client$/.test(specifier);
  if (/^npm:hono(?![\w-])/.test(specifier) && !SERVERS.includes(layer) && !isClient) {
    return `${layer} may not import Hono: only ${SERVERS.join(" and ")} serve HTTP`;
  }
  const ownName = specifier === "@troupe/troupe" || specifier.startsWith("@troupe/troupe/");
  if (ownName) return `${layer} may not import ${specifier}: import the file by its relative path`;
  if (!/^(\.{0,2}\/|file:)/.test(specifier)) return undefined;
  const target = projectPath(new URL(specifier, file));
  if (target === undefined) return `${layer} may not import ${specifier}: it lies outside the project`;
  const targetLayer = layerOf(target);
  if (targetLayer === layer || allowed.includes(targetLayer)) return undefined;
  const may = allowed.length === 0 ? "none of our layers" : allowed.join(", ");
  return `${layer} may not import ${target}: ${layer} imports ${may}`;
}

function isData(attributes: readonly Deno.lint.ImportAttribute[]): boolean {
  return attributes.some(({ key, value }) => {
    const name = key.type === "Identifier" ? key.name : key.value;
    return name === "type" && DATA_TYPES.includes(String(value.value));
  });
}

/** The specifier of `import("…")` where it is written out, in quotes or as a template without substitutions. */
function literalSpecifier(source: Deno.lint.Expression): string | undefined {
  if (source.type === "Literal" && typeof source.value === "string") return source.value;
  if (source.type === "TemplateLiteral" && source.expressions.length === 0) return source.quasis[0]?.cooked;
  return undefined;
}

/** Whether an import expression carries `{ with: { type: "text" } }` or the like. */
function isDynamicData(options: Deno.lint.Expression | null): boolean {
  if (options?.type !== "ObjectExpression") return false;
  return options.properties.some((outer) =>
    outer.type === "Property" && outer.value.type === "ObjectExpression" &&
    outer.value.properties.some((inner) =>
      inner.type === "Property" && inner.value.type === "Literal" && DATA_TYPES.includes(String(inner.value.value))
    )
  );
}

/** Whether an identifier named `Deno` means the global one, and is not just the name of a member or a key. */
function isGlobalReference(node: Deno.lint.Identifier): boolean {
  const parent = node.parent;
  if (parent.type === "MemberExpression" && parent.property === node && !parent.computed) {
    return parent.object.type === "Identifier" && GLOBAL_OBJECTS.includes(parent.object.name);
  }
  if (parent.type === "TSQualifiedName") return parent.left === node;
  if (parent.type === "Property") return parent.shorthand || parent.computed || parent.key !== node;
  const isMember = parent.type === "TSPropertySignature" || parent.type === "PropertyDefinition" ||
    parent.type === "MethodDefinition" || parent.type === "TSMethodSignature";
  return !(isMember && parent.key === node && !("computed" in parent && parent.computed));
}

const plugin: Deno.lint.Plugin = {
  name: "troupe",
  rules: {
    layers: {
      create(context) {
        const file = fileUrl(context.filename);
        const path = projectPath(file);
        if (path === undefined) return {};
        const layer = layerOf(path);

        function check(node: Deno.lint.Node, specifier: string): void {
          const message = refusal(layer, file, specifier);
          if (message !== undefined) context.report({ node, message });
        }

        function checkDeclaration(node: ImportLike): void {
          if (node.source !== null && !isData(node.attributes)) check(node, String(node.source.value));
        }

        return {
          ImportDeclaration: checkDeclaration,
          ExportNamedDeclaration: checkDeclaration,
          ExportAllDeclaration: checkDeclaration,
          ImportExpression(node) {
            const specifier = literalSpecifier(node.source);
            if (specifier !== undefined && !isDynamicData(node.options)) check(node, specifier);
          },
          TSImportType(node) {
            if (node.argument.type === "TSLiteralType" && node.argument.literal.type === "Literal") {
              check(node, String(node.argument.literal.value));
            }
          },
        };
      },
    },
    platform: {
      create(context) {
        const path = projectPath(fileUrl(context.filename));
        if (path === undefined || path === PLATFORM_FILE || !PORTABLE.includes(layerOf(path))) return {};
        const layer = layerOf(path);

        function checkNode(node: ImportLike): void {
          const specifier = node.source?.value;
          if (typeof specifier === "string" && specifier.startsWith("node:")) {
            context.report({
              node,
              message: `${layer} may not import ${specifier}: it has to run in a browser as well`,
            });
          }
        }

        return {
          ImportDeclaration: checkNode,
          ExportNamedDeclaration: checkNode,
          ExportAllDeclaration: checkNode,
          Identifier(node) {
            if (node.name !== "Deno" || !isGlobalReference(node)) return;
            context.report({ node, message: `${layer} may not use Deno: only ${PLATFORM_FILE} looks for it` });
          },
        };
      },
    },
  },
};

export default plugin;
