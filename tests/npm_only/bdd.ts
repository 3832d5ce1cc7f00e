/**
 * `describe` and `it` of `@std/testing/bdd` for networks that do not reach JSR: an outermost `describe` is one
 * `Deno.test`, what it holds are steps, so the sanitizers see everything. (`node:test` escapes them.)
 *
 * Offered are the forms `(name, fn)`, `(name, options, fn)` and `({ name, fn, … })`, and hooks inside a `describe`.
 *
 * @module
 */

type HookName = "beforeAll" | "afterAll" | "beforeEach" | "afterEach";
type Hook = () => void | Promise<void>;
type TestFunction = (t: Deno.TestContext) => void | Promise<void>;
type Options = Omit<Deno.TestDefinition, "fn" | "name">;

/** A test, as `it` takes it. */
export interface ItDefinition extends Options {
  /** Its name. */
  name: string;
  /** What it runs. */
  fn: TestFunction;
}

/** A suite, as `describe` takes it. */
export interface DescribeDefinition extends Options {
  /** Its name. */
  name: string;
  /** Registers its tests, at once. */
  fn: () => void;
}

/** The forms of arguments that `describe` and `it` share. */
export type Arguments<Definition extends { name: string; fn: unknown }> =
  | [definition: Definition]
  | [name: string, fn: Definition["fn"]]
  | [name: string, options: Options, fn: Definition["fn"]];

class Suite {
  readonly steps: (Suite | ItDefinition)[] = [];
  readonly hooks: Record<HookName, Hook[]> = { beforeAll: [], afterAll: [], beforeEach: [], afterEach: [] };

  constructor(readonly name: string, readonly options: Options) {}

  get only(): boolean {
    return this.options.only === true || this.steps.some((step) => step.only === true);
  }

  /** The steps to run: those marked `only` where there are any. */
  get chosen(): (Suite | ItDefinition)[] {
    const marked = this.steps.filter((step) => step.only === true);
    return marked.length > 0 ? marked : this.steps;
  }

  async run(t: Deno.TestContext, outer: readonly Suite[]): Promise<void> {
    const suites = [...outer, this];
    try {
      for (const hook of this.hooks.beforeAll) await hook();
      for (const step of this.chosen) {
        const { name, fn, ...options } = step instanceof Suite
          ? { ...step.options, name: step.name, fn: (t: Deno.TestContext) => step.run(t, suites) }
          : { ...step, fn: (t: Deno.TestContext) => runBetweenHooks(suites, () => step.fn(t)) };
        const { only: _only, permissions: _permissions, ...stepOptions } = options;
        await t.step({ ...stepOptions, name, fn });
      }
    } finally {
      for (const hook of this.hooks.afterAll) await hook();
    }
  }
}

/** Runs a test between the hooks of its suites: `beforeEach` from the outside in, `afterEach` from the inside out. */
async function runBetweenHooks(suites: readonly Suite[], fn: Hook): Promise<void> {
  const [suite, ...inner] = suites;
  if (suite === undefined) return await fn();
  for (const hook of suite.hooks.beforeEach) await hook();
  try {
    await runBetweenHooks(inner, fn);
  } finally {
    for (const hook of suite.hooks.afterEach) await hook();
  }
}

let current: Suite | undefined;

function readArguments<Definition extends { name: string; fn: unknown }>(
  args: Arguments<Definition>,
  extra: Options,
): { name: string; fn: Definition["fn"]; options: Options } {
  if (args.length === 3) return { name: args[0], options: { ...args[1], ...extra }, fn: args[2] };
  if (args.length === 2) return { name: args[0], options: extra, fn: args[1] };
  const { name, fn, ...options } = args[0];
  return { name, fn, options: { ...options, ...extra } };
}

function addSuite(args: Arguments<DescribeDefinition>, extra: Options): void {
  const { name, fn, options } = readArguments(args, extra);
  const suite = new Suite(name, options);
  const parent = current;
  if (!options.ignore) {
    current = suite;
    try {
      const returned: unknown = fn();
      if (returned instanceof Promise) {
        throw new TypeError(`Cannot describe "${name}": its function returned a promise, and tests register at once`);
      }
    } finally {
      current = parent;
    }
  }
  if (parent) parent.steps.push(suite);
  else Deno.test({ ...options, only: suite.only, name, fn: (t) => suite.run(t, []) });
}

function addTest(args: Arguments<ItDefinition>, extra: Options): void {
  const { name, fn, options } = readArguments(args, extra);
  if (current) current.steps.push({ ...options, name, fn });
  else Deno.test({ ...options, name, fn });
}

function addHook(name: HookName, hook: Hook): void {
  if (!current) throw new Error(`Cannot register ${name}: call it inside a describe`);
  current.hooks[name].push(hook);
}

/** Registers a suite; inside another one, as a part of it. */
export function describe(...args: Arguments<DescribeDefinition>): void {
  addSuite(args, {});
}
/** A suite that runs while those not marked `only` do not. */
describe.only = (...args: Arguments<DescribeDefinition>): void => addSuite(args, { only: true });
/** A suite that is not run. */
describe.ignore = (...args: Arguments<DescribeDefinition>): void => addSuite(args, { ignore: true });
/** A suite that is not run. */
describe.skip = describe.ignore;

/** Registers a test; inside a suite, as a step of it. */
export function it(...args: Arguments<ItDefinition>): void {
  addTest(args, {});
}
/** A test that runs while those not marked `only` do not. */
it.only = (...args: Arguments<ItDefinition>): void => addTest(args, { only: true });
/** A test that is not run. */
it.ignore = (...args: Arguments<ItDefinition>): void => addTest(args, { ignore: true });
/** A test that is not run. */
it.skip = it.ignore;

/** Another name of {@linkcode it}. */
export const test = it;

/** Runs once, before the tests of this suite. */
export function beforeAll(fn: Hook): void {
  addHook("beforeAll", fn);
}

/** Runs once, after the tests of this suite, whatever became of them. */
export function afterAll(fn: Hook): void {
  addHook("afterAll", fn);
}

/** Runs before each test of this suite and of those in it. */
export function beforeEach(fn: Hook): void {
  addHook("beforeEach", fn);
}

/** Runs after each test of this suite and of those in it, whatever became of it. */
export function afterEach(fn: Hook): void {
  addHook("afterEach", fn);
}

/** Other names of the hooks that run once. */
export { afterAll as after, beforeAll as before };
