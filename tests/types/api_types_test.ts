/**
 * What must and what must not compile: `deno check` is the test, nothing here runs a call.
 *
 * @module
 */

// deno-lint-ignore-file no-explicit-any no-unused-vars

import {
  type Actor,
  type ActorFuture,
  asCompleted,
  Client,
  currentActor,
  delayed,
  type Future,
  gather,
  release,
  remote,
  wait,
  withOptions,
} from "../../mod.ts";
import * as actors from "./counter.ts";
import { add, Counter } from "./counter.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
function is<T>(): <U>(_: U, ok: Equal<T, U>) => void {
  return () => {};
}

export async function connect() {
  await using c1 = await Client.connect();
  await using c2 = await Client.connect("ws://127.0.0.1:8786", { token: "t", directToWorkers: true });
  await using c3 = await Client.connect({ token: "t" });
  await using c4 = await Client.connect(new URL("ws://x"), { signal: undefined });
  // @ts-expect-error unknown option
  await Client.connect({ tokn: "t" });
  // @ts-expect-error no such route
  await Client.connect("ws://x", { directToWorkers: "direct" });
  // @ts-expect-error connect is the only way
  new Client();
  void [c1, c2, c3, c4];
}

class Needs {
  constructor(public a: string, public b?: number) {}
  hi() {
    return this.a;
  }
}
function make(start = 0) {
  return {
    get n() {
      return start;
    },
    inc() {
      return ++start;
    },
  };
}
async function makeLater(s: string) {
  await 0;
  return new Needs(s);
}
function none() {
  return 1;
}
async function sleep(ms: number, v = "x") {
  await 0;
  return v + ms;
}
function* gen(n: number) {
  yield n;
}
function sum(xs: number[]) {
  return xs.length;
}
async function bump(counter: Actor<Counter>, by: number) {
  return await counter.add(by);
}

export async function submit(c: Client) {
  // the page's example
  const future = c.submit(Counter, { actor: true });
  is<Future<Actor<Counter>>>()(future, true);
  const counter = await future.result();
  is<Actor<Counter>>()(counter, true);
  const same = await future;
  is<Actor<Counter>>()(same, true);
  const call = counter.increment();
  is<ActorFuture<number>>()(call, true);
  is<number>()(await call.result({ timeout: 5 }), true);
  is<number>()(await counter.add(10), true);
  is<number>()(await counter.n, true);
  // spellings
  is<Future<Actor<Counter>>>()(c.submit(Counter, [], { actors: true, workers: ["a"], resources: { GPU: 1 } }), true);
  c.submit(Counter, {
    actor: true,
    onStuck: "kill-host",
    maxPending: 10,
    concurrency: 1,
    detached: true,
    version: "2",
    key: undefined,
  });
  is<Future<Actor<Needs>>>()(c.submit(Needs, ["x"], { actor: true }), true);
  is<Future<Actor<Needs>>>()(c.submit(makeLater, ["x"], { actor: true }), true);
  const made = await c.submit(make, { actor: true });
  is<number>()(await made.inc(), true);
  is<number>()(await made.n, true);
  // tasks
  is<Future<number>>()(c.submit(add, [1, 2]), true);
  is<Future<number>>()(c.submit(none), true);
  is<Future<number>>()(c.submit(none, { pure: false }), true);
  is<Future<string>>()(c.submit(sleep, [5]), true);
  is<Future<number>>()(c.submit((x) => x + 1, [10]), true);
  is<Future<number>>()(
    c.submit(async (x: number) => {
      await 0;
      return x * 2;
    }, [c.submit(none)]),
    true,
  );
  // futures, actor futures and handles as arguments; futures inside an array
  c.submit(add, [c.submit(none), counter.increment()]);
  c.submit(sum, [[c.submit(none), 1]]);
  c.submit(sum, [c.map(none, [1])]);
  c.submit(bump, [counter, counter.n]);
  c.submit(bump, [future, 1]);
  // by reference, without loading the class here
  is<Future<Actor<Counter>>>()(c.submit<[], Counter>("https://h/counter.ts#Counter", { actor: true }), true);
  is<Future<Actor<Needs>>>()(
    c.submit<[a: string], Needs>(new URL("./n.ts#Needs", import.meta.url), ["x"], { actor: true }),
    true,
  );
  is<Future<number>>()(c.submit<[number, number], number>("https://h/counter.ts#add", [1, 2]), true);
  const Ref = remote<typeof Counter>("https://h/counter.ts#Counter");
  is<Future<Actor<Counter>>>()(c.submit(Ref, { actor: true }), true);

  // @ts-expect-error a class is an actor: say so
  c.submit(Counter);
  // @ts-expect-error constructor arguments are missing
  c.submit(Needs, { actor: true });
  // @ts-expect-error wrong constructor argument
  c.submit(Needs, [1], { actor: true });
  // @ts-expect-error args is an array
  c.submit(add, 1, 2);
  // @ts-expect-error args is an array, a future is none
  c.submit(sum, c.submit(none));
  // @ts-expect-error arguments are missing
  c.submit(add, { pure: true });
  // @ts-expect-error wrong argument
  c.submit(add, [1, "2"]);
  // @ts-expect-error a future of the wrong type
  c.submit(add, [1, c.submit(sleep, [1])]);
  // @ts-expect-error a bare promise is no dependency
  c.submit(add, [1, Promise.resolve(2)]);
  // @ts-expect-error too many
  c.submit(none, [1]);
  // @ts-expect-error misspelt option
  c.submit(none, { worker: ["x"] });
  // @ts-expect-error no such answer
  c.submit(Counter, { actor: true, onStuck: "kill" });
  // @ts-expect-error options come last
  c.submit(Counter, { actor: true }, []);
  // @ts-expect-error a number cannot be an actor
  c.submit(none, { actor: true });
  // @ts-expect-error decide: a boolean known only at run time has no type
  c.submit(Counter, { actor: Math.random() > 0.5 });
  // @ts-expect-error a handle is wanted, not the class's own instance
  c.submit(bump, [new Counter(), 1]);
  // @ts-expect-error by reference: the constructor's arguments count
  c.submit<[a: string], Needs>("https://h/n.ts#Needs", { actor: true });
  // @ts-expect-error and through remote()
  c.submit(remote<typeof Needs>("https://h/n.ts#Needs"), { actor: true });
}

export function generatorTask(c: Client) {
  // @ts-expect-error a generator is no task
  c.submit(gen, [1]);
  // @ts-expect-error nor an async one
  c.map(async function* (n: number) {
    yield n;
  }, [1]);
}

class Zoo {
  static stat() {
    return 1;
  }
  n = 0;
  readonly ro: string = "";
  opt?: string;
  late!: Map<string, number>;
  uni: string | number = 0;
  promised: Promise<number> = Promise.resolve(1);
  inner: Actor<Counter> | null = null;
  anything: any = null;
  unk: unknown;
  arrow = (x: number) => x + 1;
  private priv = 1;
  protected prot = 1;
  #hard = 1;
  _under = 1;
  [Symbol.iterator]() {
    return [][Symbol.iterator]();
  }
  get g() {
    return this.#hard + this.priv;
  }
  get rw() {
    return 1;
  }
  set rw(_: number) {}
  sync(a: string, b?: number, ...rest: boolean[]) {
    return a.length + (b ?? 0) + rest.length;
  }
  async later(a: number) {
    await 0;
    return String(a);
  }
  nothing() {}
  over(x: string): string;
  over(x: number): number;
  over(x: string | number) {
    return x;
  }
  generic<T>(x: T): T[] {
    return [x];
  }
  keyed<K extends "a" | "b">(k: K): Record<K, number> {
    return { [k]: 1 } as Record<K, number>;
  }
  *count(n: number) {
    for (let i = 0; i < n; i++) yield i;
    return "end";
  }
  async *acount(n: number) {
    for (let i = 0; i < n; i++) yield i;
  }
  *annotated(): IterableIterator<string> {
    yield "x";
  }
  each(f: (n: number) => Promise<string>) {
    return f(1);
  }
  watch(f: (n: number) => void) {
    f(1);
  }
  takes(c: Actor<Counter>) {
    return c.increment();
  }
  gives(): Actor<Counter> | null {
    return this.inner;
  }
  list(): Actor<Counter>[] {
    return [];
  }
  chain(): this {
    return this;
  }
  typed(x: Float64Array) {
    return x;
  }
  // names that other libraries reserve
  result() {
    return 1;
  }
  key() {
    return 2;
  }
  call(x: number) {
    return x;
  }
  name = "n";
  length = 3;
  done() {
    return true;
  }
  release() {
    return 1;
  }
  cancel() {
    return 1;
  }
  apply() {
    return 1;
  }
  bind() {
    return 1;
  }
  catch() {
    return 1;
  }
  then(x: number) {
    return x;
  }
  toJSON() {
    return 1;
  }
  toString() {
    return "";
  }
  valueOf() {
    return 1;
  }
}

export async function handle(z: Actor<Zoo>, c: Client, counter: Actor<Counter>) {
  is<number>()(await z.n, true);
  is<string>()(await z.ro, true);
  is<string | undefined>()(await z.opt, true);
  is<Map<string, number>>()(await z.late, true);
  is<string | number>()(await z.uni, true);
  is<number>()(await z.promised, true);
  is<Actor<Counter> | null>()(await z.inner, true);
  is<unknown>()(await z.unk, true);
  is<number>()(await z.arrow(1), true);
  is<number>()(await z.g, true);
  is<number>()(await z.rw, true);
  is<number>()(await z.sync("a"), true);
  z.sync("a", 1, true, false);
  is<string>()(await z.later(1), true);
  is<void>()(await z.nothing(), true);
  is<string>()(await z.over("x"), true);
  is<number>()(await z.over(1), true);
  is<unknown[]>()(await z.generic(1), true);
  is<Record<"a" | "b", number>>()(await z.keyed("a"), true);
  is<AsyncGenerator<number, string, unknown>>()(z.count(3), true);
  for await (const i of z.acount(1)) is<number>()(i, true);
  for await (const s of z.annotated()) is<string>()(s, true);
  await z.each(async (n) => {
    await 0;
    return n.toFixed();
  });
  await z.each((n) => n.toFixed());
  await z.watch((n) => {
    n.toFixed();
  });
  await z.takes(counter);
  await z.takes(c.submit(Counter, { actor: true }));
  is<Actor<Counter> | null>()(await z.gives(), true);
  is<Actor<Counter>[]>()(await z.list(), true);
  await z.later(c.submit(none));
  await z.later(counter.increment());
  await z.typed(new Float64Array(1));
  is<number>()(await z.result(), true);
  is<number>()(await z.key(), true);
  is<number>()(await z.call(1), true);
  is<string>()(await z.name, true);
  is<number>()(await z.length, true);
  is<boolean>()(await z.done(), true);
  await z.release();
  await z.bind();
  await z.catch();
  const text: string = z.toString();
  String(z);
  `${z}`;
  void text;
  const { increment } = counter;
  await increment();
  // @ts-expect-error read only
  z.n = 5;
  // @ts-expect-error methods too
  counter.add = () => {};
  // @ts-expect-error unknown
  z.nope;
  // @ts-expect-error private
  z.priv;
  // @ts-expect-error protected
  z.prot;
  // @ts-expect-error underscore
  z._under;
  // @ts-expect-error static
  z.stat;
  // @ts-expect-error symbols
  z[Symbol.iterator];
  // @ts-expect-error never a then
  z.then(1);
  // @ts-expect-error toJSON is local
  z.toJSON;
  // @ts-expect-error wrong argument
  z.sync(1);
  // @ts-expect-error wrong arity
  z.later();
  // @ts-expect-error no overload
  z.over(true);
  // @ts-expect-error a future of the wrong type
  z.later(c.submit(sleep, [1]));
  // @ts-expect-error a handle is no instance
  const raw: Counter = counter;
  // @ts-expect-error an attribute is a future
  const n: number = counter.n;
  // @ts-expect-error a call result is a future
  counter.increment() + 1;
  // @ts-expect-error not a generator
  for await (const _ of counter.increment());
  void [raw, n];
}

interface Countable {
  increment(): number;
}
class Base {
  a() {
    return 1;
  }
}
class Derived extends Base {
  b() {
    return 2;
  }
}
class Box<T> {
  constructor(public value: T) {}
  set(v: T) {
    this.value = v;
  }
  get() {
    return this.value;
  }
}
export async function variance(d: Actor<Derived>, b: Actor<Base>, c: Actor<Counter>, client: Client) {
  const up: Actor<Base> = d;
  const narrow: Actor<Countable> = c;
  const fut: Future<Actor<Base>> = client.submit(Derived, { actor: true });
  const p: Promise<number> = c.increment();
  const q: Promise<Actor<Base>> = fut;
  // @ts-expect-error down
  const down: Actor<Derived> = b;
  // @ts-expect-error other
  const other: Actor<Base> = c;
  // @ts-expect-error wrong future
  const wf: Future<string> = client.submit(none);
  const box = await client.submit(Box<number>, [1], { actor: true });
  is<number>()(await box.get(), true);
  const anyActor: Actor<unknown> = c;
  const list: Actor<Base | Derived>[] = [];
  void [up, narrow, down, other, wf, anyActor, list, p, q];
  await release([c, fut]);
}
// handles pass through generic and async functions untouched
export async function spawn<T extends object>(client: Client, C: new () => T): Promise<Actor<T>> {
  return await client.submit(C, { actor: true });
}
export async function useSpawn(client: Client) {
  is<Actor<Counter>>()(await spawn(client, Counter), true);
}
export async function put<T>(b: Actor<Box<T>>, v: T) {
  await b.set(v);
}

export async function combine(c: Client, k: Actor<Counter>) {
  const f = c.submit(none), s = c.submit(sleep, [1]);
  is<[number, string, number]>()(await Promise.all([f, s, k.increment()]), true);
  is<number | string>()(await Promise.race([f, s]), true);
  is<number>()(await Promise.any([f, k.n]), true);
  is<[number, string]>()(await gather([f, s]), true);
  is<{ a: number; b: string[] }>()(await gather({ a: f, b: [s] }), true);
  is<number[]>()(await gather(c.map(none, [1, 2])), true);
  is<number>()(await gather(f), true);
  is<number[]>()(await gather([f, k.n], { errors: "skip" }), true);
  is<number | undefined>()(await gather(f, { errors: "skip" }), true);
  is<{ a: number | undefined; b: string[] }>()(await gather({ a: f, b: [s] }, { errors: "skip" }), true);
  is<[number, string]>()(await c.gather([f, s]), true);
  is<(number | string)[]>()(await c.gather([f, s], { errors: "skip" }), true);
  // @ts-expect-error no such way
  await gather([f], { errors: "ignore" });
  for await (const x of asCompleted([f, c.submit(none)])) {
    is<Future<number>>()(x, true);
    is<number>()(await x.result(), true);
  }
  // TypeScript unwraps in the second loop over a type what it did not in the first, unless that type is a union.
  const calls = [k.increment(), k.n];
  for await (const x of asCompleted(calls)) is<ActorFuture<number>>()(x, true);
  for await (const x of asCompleted(calls)) is<ActorFuture<number>>()(x, true);
  const completions = asCompleted(calls);
  for await (const x of completions) is<ActorFuture<number>>()(x, true);
  const step = await completions.next();
  if (!step.done) is<ActorFuture<number>>()(step.value, true);
  for await (const x of asCompleted([f, c.submit(none)])) is<Future<number>>()(x, true);
  const iterable: AsyncIterable<Future<number>> = asCompleted([f]);
  void iterable;
  for await (const x of asCompleted([k.increment(), f])) {
    is<number>()(await x, true);
    x.done();
  }
  const { done, notDone } = await wait([f, k.increment()], { timeout: 5 });
  done[0]?.done();
  notDone.length;
  // @ts-expect-error wait wants futures
  await wait([1, 2]);
  // @ts-expect-error a plain promise is not a future
  await wait([Promise.resolve(1)]);
  is<Future<string>[]>()(c.map(sleep, [1, 2]), true);
  is<Future<number>[]>()(c.map((x) => x + 1, [1, 2]), true);
  is<Future<number>[]>()(c.map((x: number) => x + 1, c.map(none, [1])), true);
  is<Future<Actor<Needs>>[]>()(c.map(Needs, ["a"], { actor: true }), true);
  is<Future<Actor<Counter>>[]>()(c.map(Counter, Array(3), { actor: true }), true);
  is<Future<number>[]>()(c.scatter([1, 2]), true);
  is<Future<number>[]>()(c.scatter([1, 2], { workers: "a" }), true);
  is<Future<Float64Array<ArrayBuffer>>[]>()(c.scatter([new Float64Array(1)]), true);
  c.submit(sum, [c.scatter([1, 2])]);
  // @ts-expect-error one large value goes in an array
  c.scatter(new Float64Array(1));
  // @ts-expect-error no such option
  c.scatter([1], { retries: 1 });
  is<Record<string, number>>()(await c.run(none), true);
  is<Record<string, string>>()(await c.run(sleep, [1], { workers: ["a"] }), true);
  // @ts-expect-error missing arguments
  await c.run(sleep);
  // @ts-expect-error wrong item
  c.map(Needs, [1], { actor: true });
  // @ts-expect-error classes are actors
  c.map(Needs, ["a"]);
  // @ts-expect-error too many parameters for map
  c.map(add, [1]);
}

export async function lifetimes(c: Client) {
  await using counter = await c.submit(Counter, { actor: true });
  using future = c.submit(none);
  // @ts-expect-error a handle is given back with await
  using wrong = await c.submit(Counter, { actor: true });
  const quick = withOptions(counter, { timeout: 100 });
  is<Actor<Counter>>()(quick, true);
  await quick.increment();
  await future;
  void wrong;
  const sent = withOptions(counter, { oneWay: true });
  is<void>()(sent.add(1), true);
  // @ts-expect-error wrong argument
  sent.add("1");
  // @ts-expect-error nobody answers: attributes cannot be read
  sent.n;
  const maybe: boolean = Math.random() > 2;
  // @ts-expect-error whether there is an answer has to be known
  withOptions(counter, { oneWay: maybe }).add(1) satisfies void;
  is<Actor<Counter>>()(withOptions(counter, { priority: 1, signal: undefined }), true);
  await release(sent);
  // @ts-expect-error only handles
  withOptions({}, { timeout: 1 });
  // @ts-expect-error only handles and futures
  release(counter.increment());
}

class Talker {
  *greet(to: string): Generator<string, number, boolean> {
    return (yield to) ? 1 : 0;
  }
  async *later(): AsyncGenerator<Date, void, string> {
    void (yield await Promise.resolve(new Date()));
  }
}

export async function streams(c: Client) {
  const talker = await c.submit(Talker, { actor: true });
  is<AsyncGenerator<string, number, boolean>>()(talker.greet("Ann"), true);
  const asked = withOptions(talker, { prefetch: false });
  is<Actor<Talker>>()(asked, true);
  const talk = asked.later();
  is<AsyncGenerator<Date, void, string>>()(talk, true);
  await talk.next("a value");
  // @ts-expect-error not what its yields give
  await talk.next(1);
  is<IteratorResult<Date, void>>()(await talk.next("another"), true);
  // @ts-expect-error a number is no boolean
  withOptions(talker, { prefetch: 1 });
}

export async function graphs(c: Client) {
  const counter = delayed(Counter)();
  const steps = [1, 2, 3].map((i) => delayed(bump)(counter, i));
  const total = delayed(sum)(steps);
  is<number>()(await c.compute(total, { actors: counter }), true);
  is<number>()(await c.compute(total, { actors: [counter], retries: 2 }), true);
  is<number>()(await c.compute(total, { actors: new Set([counter]) }), true);
  const [a, b] = c.compute([total, counter]);
  is<Future<number>>()(a, true);
  is<Future<Actor<Counter>>>()(b, true);
  is<Future<number>[]>()(c.compute(steps), true);
  const made = delayed(make, { actor: true })(5);
  is<number>()(await (await c.compute(made)).n, true);
  const plain = delayed(make)(5);
  is<number>()(await (await c.compute(plain, { actors: true })).inc(), true);
  is<Actor<Counter>>()(await c.compute(counter, { actors: true }), true);
  const kept = c.persist(steps);
  c.compute(delayed(sum)(kept));
  delayed(add)(total, c.submit(none));
  const node = c.persist(counter);
  delayed(bump)(node, 1);
  await release([node, ...kept]);
  is<number>()(await c.compute(delayed<[number, number], number>("https://h/counter.ts#add")(1, total)), true);
  delayed(remote<typeof Counter>("https://h/c.ts#Counter"))();
  delayed(add, { pure: true, key: "sum", workers: ["a"], resources: { GPU: 1 } })(1, 2);
  // @ts-expect-error wrong argument
  delayed(add)(1, "x");
  // @ts-expect-error a node is no future
  await wait([total]);
  // @ts-expect-error a node has no methods
  counter.increment();
  // @ts-expect-error nor a value
  total + 1;
  // @ts-expect-error a graph has many keys
  c.compute(total, { key: "one" });
  // @ts-expect-error only nodes become actors
  c.compute(total, { actors: Counter });
}

@remote(import.meta)
export class Marked {
  me() {
    return currentActor<Marked>();
  }
}
export const wrapped = remote(import.meta)(function wrapped(x: number) {
  return x;
});
export function marked(c: Client) {
  is<Future<Actor<Marked>>>()(c.submit(Marked, { actor: true }), true);
  is<Future<number>>()(c.submit(wrapped, [1]), true);
}
remote(import.meta.resolve("./counter.ts"), actors);
remote(new URL("./counter.ts", import.meta.url), { Counter });
remote(import.meta, { Marked });

export function wronglyMarked() {
  // @ts-expect-error a class needs its module
  remote(Marked);
  class Wrong {
    // @ts-expect-error only classes are decorated
    @remote(import.meta)
    method() {}
  }
  return Wrong;
}
