import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createActorFuture } from "../../client/actor_future.ts";
import { checkSubmitOptions, splitSubmitArguments } from "../../client/arguments.ts";
import { createFuture } from "../../client/future.ts";
import { createHandle } from "../../client/handle.ts";
import { ScriptedTarget } from "./scripted_target.ts";

function inc(x: number) {
  return x + 1;
}

function split(...rest: unknown[]) {
  return splitSubmitArguments(inc, rest);
}

describe("splitSubmitArguments", () => {
  it("takes an array as the arguments and a plain object as the options", () => {
    assertEquals(split(), { args: [], options: { actor: false } });
    assertEquals(split(undefined), { args: [], options: { actor: false } });
    assertEquals(split([1, 2]), { args: [1, 2], options: { actor: false } });
    assertEquals(split({ pure: true }), { args: [], options: { actor: false, pure: true } });
    assertEquals(split({}), { args: [], options: { actor: false } });
    assertEquals(split([1], { key: "k" }), { args: [1], options: { actor: false, key: "k" } });
    assertEquals(split(undefined, { key: "k" }), { args: [], options: { actor: false, key: "k" } });
    assertEquals(split([{ pure: 1 }], undefined), { args: [{ pure: 1 }], options: { actor: false } });
    assertEquals(split(Object.assign(Object.create(null), { retries: 2 })).options, { actor: false, retries: 2 });
  });

  it("hands the arguments over as they are", () => {
    const args = [{}, []];
    assertStrictEquals(split(args).args, args);
  });

  it("refuses arguments that are no array, in the words of what was meant", () => {
    const source = {
      fetch: () => Promise.resolve(1),
      cancel: () => Promise.resolve(),
      release: () => Promise.resolve(),
    };
    const { future } = createFuture({ key: "k", source });
    const call = createActorFuture({ repr: "x" }).future;
    const handle = createHandle({ className: "C", methods: {}, attributes: [] }, new ScriptedTarget());
    const cases: [unknown, string][] = [
      [future, "got a Future: write [future]"],
      [call, "got an ActorFuture: write [future]"],
      [handle, "got an Actor: write [actor]"],
      [1, "got a number: write [1]"],
      ["x", "got a string: write [value]"],
      [null, "got null: write [null]"],
      [new Map(), "got a Map: write [value]"],
      [new Uint8Array(1), "got a Uint8Array: write [value]"],
      [inc, "got a function: write [value]"],
      [{ x: 1 }, 'got an object with the unknown option "x": write [value]'],
      [{ worker: ["a"] }, 'got an object with the unknown option "worker" (did you mean workers?): write [value]'],
    ];
    for (const [first, found] of cases) {
      assertThrows(() => split(first), TypeError, `submit(inc): arguments go in an array, ${found}`);
    }
    assertThrows(() => split(1, 2), TypeError, "arguments go in an array, got a number");
  });

  it("refuses what stands in the wrong place", () => {
    assertThrows(
      () => split({ actor: true }, []),
      TypeError,
      "submit(inc): options come last, got an array after them",
    );
    assertThrows(() => split([1], { pure: true }, 3), TypeError, "submit(inc): arguments go in one array");
    assertThrows(() => split([1], 5), TypeError, "submit(inc): options are an object, got a number");
    assertThrows(() => split([1], [2]), TypeError, "submit(inc): options are an object, got an array");
  });

  it("names targets that have no name", () => {
    assertThrows(() => splitSubmitArguments(() => {}, [1]), TypeError, "submit(anonymous): ");
    assertThrows(() => splitSubmitArguments("https://h/c.ts#add", [1]), TypeError, "submit(https://h/c.ts#add): ");
  });
});

describe("checkSubmitOptions", () => {
  function check(options: unknown) {
    return checkSubmitOptions("map(inc)", options);
  }

  it("keeps every known option, and drops those that are undefined", () => {
    const options = {
      key: "k",
      workers: ["a", "b"],
      allowOtherWorkers: true,
      resources: { GPU: 1, MEM: 0.5 },
      priority: -1,
      retries: 0,
      pure: false,
      module: new URL("https://h/c.ts"),
      export: "Counter",
      version: "2",
      isolation: "dedicated",
      permissions: { net: ["h"], read: false, env: "inherit" },
      onStuck: "kill-host",
      maxPending: 10,
      concurrency: Infinity,
      detached: true,
      timeout: 0,
      signal: new AbortController().signal,
    };
    assertEquals(check({ ...options, actor: true }) as object, { ...options, actor: true });
    assertEquals(check({ key: undefined, timeout: undefined }), { actor: false });
    assertEquals(check(undefined), { actor: false });
  });

  it("knows both spellings of actor", () => {
    assertEquals(check({ actors: true }), { actor: true });
    assertEquals(check({ actor: true, actors: true }), { actor: true });
    assertEquals(check({ actor: false }), { actor: false });
    assertThrows(() => check({ actor: true, actors: false }), TypeError, "two spellings of one option");
  });

  it("wants workers beside allowOtherWorkers", () => {
    const message = "Only use allowOtherWorkers together with workers";
    assertThrows(() => check({ allowOtherWorkers: true }), TypeError, message);
    assertEquals(check({ allowOtherWorkers: false }), { actor: false, allowOtherWorkers: false });
  });

  it("refuses unknown options, with a hint", () => {
    assertThrows(
      () => check({ actor: true, worker: ["a"] }),
      TypeError,
      'map(inc): unknown option "worker" (did you mean workers?)',
    );
    assertThrows(() => check({ retrys: 1 }), TypeError, 'unknown option "retrys"');
    assertThrows(() => check({ prioritiy: 1 }), TypeError, "did you mean priority?");
    assertThrows(() => check({ toString: 1 }), TypeError, 'unknown option "toString"');
    assertThrows(() => check(JSON.parse('{ "__proto__": 1 }')), TypeError, 'unknown option "__proto__"');
  });

  it("says what an option has to be, and what it got", () => {
    const cases: [object, string][] = [
      [{ actor: 1 }, "actor has to be true or false, got 1"],
      [{ key: "" }, 'key has to be a string that is not empty, got ""'],
      [{ key: 5 }, "key has to be a string that is not empty, got 5"],
      [{ workers: 5 }, "workers has to be a string or an array of strings, got 5"],
      [{ workers: [5] }, "workers has to be a string or an array of strings, got [5]"],
      [{ workers: ["a"], allowOtherWorkers: "yes" }, 'allowOtherWorkers has to be true or false, got "yes"'],
      [{ resources: { GPU: "1" } }, 'resources has to be an object of amounts from 0, got { GPU: "1" }'],
      [{ resources: { GPU: -1 } }, "resources has to be an object of amounts from 0, got { GPU: -1 }"],
      [{ resources: [1] }, "resources has to be"],
      [{ priority: NaN }, "priority has to be a finite number, got NaN"],
      [{ retries: 1.5 }, "retries has to be a whole number from 0, got 1.5"],
      [{ pure: null }, "pure has to be true or false, got null"],
      [{ module: 1 }, "module has to be a string or URL, got 1"],
      [{ export: "" }, "export has to be"],
      [{ version: 2 }, "version has to be a string that is not empty, got 2"],
      [{ isolation: "own" }, 'isolation has to be "inline" or "shared" or "dedicated" or "process", got "own"'],
      [{ permissions: "all" }, "permissions has to be"],
      [{ permissions: { net: 5 } }, "permissions has to be"],
      [{ permissions: { network: true } }, 'permissions has to be "inherit", "none" or an object of env, ffi, import,'],
      [
        { permissions: "none", isolation: "shared" },
        'permissions goes with isolation "dedicated" or "process", not with',
      ],
      [{ memoryLimit: 5, isolation: "dedicated" }, 'memoryLimit goes with isolation "process", not with "dedicated"'],
      [{ onStuck: "kill" }, 'onStuck has to be "abandon" or "kill-host", got "kill"'],
      [{ maxPending: 0 }, "maxPending has to be a whole number from 1, or Infinity, got 0"],
      [{ concurrency: -1 }, "concurrency has to be"],
      [{ detached: "no" }, "detached has to be true or false"],
      [{ timeout: -5 }, "timeout has to be a number of milliseconds from 0, got -5"],
      [{ timeout: "5s" }, 'timeout has to be a number of milliseconds from 0, got "5s"'],
      [{ signal: {} }, "signal has to be an AbortSignal, got an object"],
    ];
    for (const [options, message] of cases) assertThrows(() => check(options), TypeError, `map(inc): ${message}`);
  });
});
