import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CounterTable } from "../../worker/counter_table.ts";
import type { Transport } from "../../connection/mod.ts";
import { createMemoryTransports } from "../../connection/mod.ts";
import {
  ActorLostError,
  ActorStartError,
  decodeError,
  encodeError,
  type HomeKind,
  type LossReason,
  ModuleLoadError,
} from "../../protocol/mod.ts";
import type { ActorIsolate, CreateFailure, CreateOrder, CreateOutcome, IsolateEnd } from "../../worker/isolate.ts";
import { IsolatePool, type IsolatePoolOptions, type PoolOrder, type PoolOutcome } from "../../worker/isolate_pool.ts";

/** An isolate that does what its test says. */
class FakeIsolate implements ActorIsolate {
  readonly address = "";
  readonly orders: CreateOrder[] = [];
  readonly destroyed: string[] = [];
  readonly served: Transport[] = [];
  readonly ended: Promise<IsolateEnd>;
  readonly #end: (end: IsolateEnd) => void;
  readonly #pending = new Set<(error: Error) => void>();
  outcome: (order: CreateOrder) => Partial<CreateFailure> | undefined | Promise<never> = () => undefined;
  closed = false;

  constructor(readonly home: string, readonly kind: HomeKind) {
    ({ promise: this.ended, resolve: this.#end } = Promise.withResolvers<IsolateEnd>());
  }

  async create(order: CreateOrder): Promise<CreateOutcome> {
    this.orders.push(order);
    const end = Promise.withResolvers<never>();
    this.#pending.add(end.reject);
    const failure = await Promise.race([this.outcome(order), end.promise]);
    this.#pending.delete(end.reject);
    end.promise.catch(() => {});
    if (failure === undefined) {
      const { home, address } = this;
      return { ok: true, created: { home, address, tag: new Uint8Array(), manifest: new Uint8Array() } };
    }
    const error = encodeError(new ActorStartError("refused by the test", { executed: "no" }));
    return { ok: false, failure: { error, executed: "no", needsSharedHome: false, importFailed: false, ...failure } };
  }

  destroy(key: string): Promise<void> {
    this.destroyed.push(key);
    return Promise.resolve();
  }

  serve(transport: Transport): void {
    this.served.push(transport);
  }

  readonly counters = new CounterTable();
  readonly loop = undefined;

  abandon(): void {
    this.end("isolate-stuck");
  }

  close(): Promise<void> {
    this.closed = true;
    this.end("drained");
    return Promise.resolve();
  }

  end(reason: LossReason): void {
    for (const reject of this.#pending) reject(new Error("the isolate ended"));
    this.#end({ reason, message: "" });
  }
}

function setUp(options: Partial<IsolatePoolOptions> = {}) {
  const inline = new FakeIsolate("inline", "inline");
  const started: FakeIsolate[] = [];
  const ended: string[] = [];
  const states: Record<string, string> = {};
  const pool = new IsolatePool({
    inline,
    start: (home, kind) => {
      const isolate = new FakeIsolate(home, kind);
      started.push(isolate);
      return Promise.resolve(isolate);
    },
    isolates: 2,
    graphOf: ({ module }) => ({ url: module, generation: 0, states: new Map([[module, states[module] ?? "1"]]) }),
    onEnded: (key, _incarnation, reason) => ended.push(`${key} ${reason}`),
    ...options,
  });
  let count = 0;
  const order = (home: HomeKind, module = "file:///counter.ts", homeFixed = false): PoolOrder => {
    const key = `actor-${++count}`;
    return {
      key,
      incarnation: `${count}`,
      target: { module, export: "Counter", name: "Counter", byValue: false, version: undefined },
      args: new Uint8Array(),
      refs: [],
      retries: 0,
      bounds: {},
      timeLimit: Infinity,
      home,
      homeFixed,
    };
  };
  const create = async (home: HomeKind, module?: string) => homeOf(await pool.create(order(home, module)));
  return { pool, inline, started, ended, states, order, create };
}

function homeOf(outcome: PoolOutcome): string {
  return outcome.ok ? outcome.created.home : decodeError(outcome.error).message;
}

function errorOf(outcome: PoolOutcome): Error {
  assert(!outcome.ok);
  return decodeError(outcome.error);
}

describe("a host's isolates", () => {
  it("run inline actors on the host's own event loop", async () => {
    const { create, inline, started } = setUp();
    assertEquals(await create("inline"), "inline");
    assertEquals(inline.orders[0]!.asyncOnly, true);
    assertEquals(started.length, 0);
  });

  it("run there whatever was submitted with that home", async () => {
    const { pool, order, inline } = setUp();
    assertEquals(homeOf(await pool.create(order("inline", undefined, true))), "inline");
    assertEquals(inline.orders[0]!.asyncOnly, false);
  });

  it("are started when first needed, up to their number, and take actors evenly", async () => {
    const { create, pool } = setUp();
    assertEquals(pool.size, 1);
    const homes = [await create("shared"), await create("shared"), await create("shared"), await create("shared")];
    assertEquals(homes, ["shared-1", "shared-2", "shared-1", "shared-2"]);
  });

  it("are filled evenly by creations that come together", async () => {
    const { create } = setUp();
    const homes = await Promise.all([create("shared"), create("shared"), create("shared"), create("shared")]);
    assertEquals(homes.toSorted(), ["shared-1", "shared-1", "shared-2", "shared-2"]);
  });

  it("are used again when their actors have ended", async () => {
    const { pool, order, ended, started } = setUp();
    const first = order("shared");
    await pool.create(first);
    await pool.destroy(first.key, first.incarnation);
    assertEquals(homeOf(await pool.create(order("shared"))), "shared-1");
    assertEquals(started[0]!.destroyed, [first.key]);
    assertEquals(ended, [`${first.key} released`]);
  });

  it("take over a class that turns out to have sync methods", async () => {
    const { pool, order, inline } = setUp();
    inline.outcome = () => ({ needsSharedHome: true });
    assertEquals(homeOf(await pool.create(order("inline"))), "shared-1");
  });

  it("of one actor alone are started with what it says, and closed with it", async () => {
    const owns: unknown[] = [];
    const { pool, order, ended } = setUp({
      startsProcesses: true,
      start: (home, kind, own) => {
        owns.push([home, own?.permissions, own?.memoryLimit, own?.graph.url]);
        return Promise.resolve(isolates[home] = new FakeIsolate(home, kind));
      },
    });
    const isolates: Record<string, FakeIsolate> = {};
    const first = { ...order("dedicated"), permissions: "none" as const };
    const second = { ...order("process"), memoryLimit: 100 };
    assertEquals(homeOf(await pool.create(first)), "dedicated-1");
    assertEquals(homeOf(await pool.create(second)), "process-1");
    assertEquals(homeOf(await pool.create(order("dedicated"))), "dedicated-2");
    assertEquals(owns, [
      ["dedicated-1", "none", undefined, "file:///counter.ts"],
      ["process-1", undefined, 100, "file:///counter.ts"],
      ["dedicated-2", undefined, undefined, "file:///counter.ts"],
    ]);
    await pool.destroy(first.key, first.incarnation);
    assertEquals([isolates["dedicated-1"]!.closed, isolates["dedicated-2"]!.closed], [true, false]);
    isolates["process-1"]!.end("oom");
    await isolates["process-1"]!.ended;
    assertEquals(ended, [`${first.key} released`, `${second.key} oom`]);
    assertEquals(pool.size, 2);
  });

  it("of one actor alone that do not start say why", async () => {
    const { pool, order } = setUp({
      start: () => Promise.reject(new ActorStartError("it may not do that", { executed: "no" })),
    });
    const error = errorOf(await pool.create({ ...order("dedicated"), permissions: { run: true } }));
    assertInstanceOf(error, ActorStartError);
    assertEquals([error.message, error.executed], ["it may not do that", "no"]);
  });

  it("that cannot be had are refused by name, and what needs none is run where it can be", async () => {
    const { pool, order, started } = setUp({ start: undefined, startsProcesses: false });
    const refusals = [order("process"), { ...order("dedicated"), permissions: "none" as const }];
    for (const refusal of refusals) {
      const error = errorOf(await pool.create(refusal));
      assertInstanceOf(error, ActorStartError);
      assert(/a process of its own|permissions of its own \("none"\)/.test(error.message));
      assert(error.message.includes("runs in one process"));
    }
    assertEquals(homeOf(await pool.create(order("dedicated"))), "inline");
    assertEquals(started, []);
  });

  it("that end take their actors along, and are replaced when next needed", async () => {
    const { pool, order, started, ended, create } = setUp({ isolates: 1 });
    const first = order("shared");
    const second = order("shared");
    await pool.create(first);
    await pool.create(second);
    started[0]!.end("isolate-exit");
    await started[0]!.ended;
    assertEquals(await create("shared"), "shared-2");
    assertEquals(ended, [`${first.key} isolate-exit`, `${second.key} isolate-exit`]);
  });

  it("that end during a creation fail it as lost, and tell of it once", async () => {
    const { pool, order, ended } = setUp({
      start: (home, kind) => {
        const isolate = new FakeIsolate(home, kind);
        isolate.outcome = () => {
          queueMicrotask(() => isolate.end("isolate-exit"));
          return new Promise<never>(() => {});
        };
        return Promise.resolve(isolate);
      },
    });
    const outcome = await pool.create(order("shared"));
    assertInstanceOf(errorOf(outcome), ActorLostError);
    assertEquals(!outcome.ok && outcome.executed, "unknown");
    assertEquals(ended, []);
  });

  it("that do not start fail the creation, which did not run, and are tried anew for the next", async () => {
    let tries = 0;
    const { pool, order } = setUp({
      start: (home, kind) => {
        return ++tries === 1 ? Promise.reject(new Error("no threads")) : Promise.resolve(new FakeIsolate(home, kind));
      },
    });
    const outcome = await pool.create(order("shared"));
    assertEquals(!outcome.ok && outcome.executed, "no");
    assertEquals(homeOf(await pool.create(order("shared"))), "shared-2");
  });

  it("say of an actor that they do not know that it is gone", async () => {
    const { pool, ended } = setUp();
    await pool.destroy("unknown", "1");
    assertEquals(ended, ["unknown released"]);
  });

  it("do not begin with an actor that was destroyed before it had a place", async () => {
    const { pool, ended, started, order } = setUp();
    const unwanted = order("dedicated");
    const creation = pool.create(unwanted);
    await pool.destroy(unwanted.key, unwanted.incarnation);
    const error = errorOf(await creation);
    assert(error instanceof ActorLostError && error.executed === "no", String(error));
    assertEquals([ended, started], [[], []]);
  });

  it("serve relayed callers, and turn away those of a home that is not there", async () => {
    const { pool, create, started } = setUp();
    const home = await create("shared");
    const [, transport] = createMemoryTransports();
    pool.serve(home, transport);
    assertEquals(started[0]!.served, [transport]);
    const [caller, lost] = createMemoryTransports();
    const closed = Promise.withResolvers<number>();
    caller.start({ onFrame() {}, onClose: ({ code }) => closed.resolve(code) });
    pool.serve("shared-9", lost);
    assertEquals(await closed.promise, 4410);
  });
});

describe("code that was edited", () => {
  it("goes to a new shared isolate; the old one takes no more actors and closes when its last one ends", async () => {
    const { pool, order, states, started, create } = setUp({ isolates: 1 });
    const old = order("shared");
    await pool.create(old);
    states["file:///counter.ts"] = "2";
    assertEquals(await create("shared"), "shared-2");
    assertEquals(await create("shared", "file:///other.ts"), "shared-2");
    assertEquals(started[0]!.closed, false);
    await pool.destroy(old.key, old.incarnation);
    assertEquals(started[0]!.closed, true);
    assertEquals(started[1]!.closed, false);
  });

  it("closes at once an old isolate that has no actors", async () => {
    const { pool, order, states, started, create } = setUp();
    const old = order("shared");
    await pool.create(old);
    await pool.destroy(old.key, old.incarnation);
    states["file:///counter.ts"] = "2";
    assertEquals(await create("shared"), "shared-2");
    assertEquals(started[0]!.closed, true);
  });

  it("goes to an isolate of its own where it lived on the host's event loop, which other code still does", async () => {
    const { create, states, started } = setUp();
    await create("inline");
    states["file:///counter.ts"] = "2";
    assertEquals([await create("inline"), await create("inline")], ["inline-2", "inline-2"]);
    assertEquals(started[0]!.kind, "inline");
    assertEquals(await create("inline", "file:///other.ts"), "inline");
    states["file:///counter.ts"] = "3";
    assertEquals(await create("inline"), "inline-3");
  });

  it("that failed to load is loaded by an isolate that has not tried", async () => {
    const { create, inline, started, pool } = setUp();
    inline.outcome = () => ({ importFailed: true });
    assertEquals(await create("inline"), "refused by the test");
    assertEquals(await create("inline"), "inline-2");
    started[0]!.outcome = () => ({ importFailed: true });
    assertEquals(await create("inline", "file:///broken.ts"), "refused by the test");
    inline.outcome = () => undefined;
    assertEquals(await create("inline", "file:///fine.ts"), "inline");
    assertEquals(pool.size, 2);
  });
});

describe("a host without Web Workers", () => {
  it("runs every class inline", async () => {
    const { create, inline } = setUp({ start: undefined });
    assertEquals([await create("shared"), await create("inline")], ["inline", "inline"]);
    assertEquals(inline.orders.map(({ asyncOnly }) => asyncOnly), [false, false]);
  });

  it("says that it cannot load edited code, instead of running the old", async () => {
    const { pool, order, states } = setUp({ start: undefined });
    await pool.create(order("inline"));
    states["file:///counter.ts"] = "2";
    const error = errorOf(await pool.create(order("inline")));
    assertInstanceOf(error, ModuleLoadError);
    assert(error.message.includes("Start the worker again"));
  });
});
