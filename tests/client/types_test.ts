import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Delayed } from "../../client/delayed.ts";
import type {
  Actor,
  ActorOptions,
  ActorTarget,
  Arg,
  ArgsThen,
  AsActor,
  ClientApi,
  Completions,
  Computed,
  ComputeOptions,
  Future,
  Gathered,
  GatheredSome,
  GatherOptions,
  RunOptions,
  TaskOptions,
  TaskTarget,
} from "../../client/types.ts";
import { gather } from "../../client/waiting.ts";

/** The smallest class that is a client for TypeScript: the overloads of `submit` and `map` and their implementations fit. */
class SmallClient implements ClientApi {
  readonly calls: unknown[][] = [];

  submit<A extends unknown[], T extends object>(
    target: ActorTarget<A, T>,
    ...rest: ArgsThen<A, [options: ActorOptions]>
  ): Future<Actor<T>>;
  submit<A extends unknown[], R>(
    target: TaskTarget<A, R>,
    ...rest: ArgsThen<A, [options?: TaskOptions]>
  ): Future<Awaited<R>>;
  submit(target: never, ...rest: unknown[]): never {
    this.calls.push([target, ...rest]);
    throw new Error("submitted");
  }

  map<I, T extends object>(
    target: ActorTarget<[item: I], T>,
    items: Iterable<Arg<I>>,
    options: ActorOptions,
  ): Future<Actor<T>>[];
  map<I, R>(target: TaskTarget<[item: I], R>, items: Iterable<Arg<I>>, options?: TaskOptions): Future<Awaited<R>>[];
  map(target: never, ...rest: unknown[]): never {
    this.calls.push([target, ...rest]);
    throw new Error("mapped");
  }

  gather<T extends readonly unknown[] | [] | object>(
    x: T,
    options?: { errors?: "raise" | undefined },
  ): Promise<Gathered<T>>;
  gather<T extends readonly unknown[] | [] | object>(x: T, options: { errors: "skip" }): Promise<GatheredSome<T>>;
  gather(x: object, options?: GatherOptions): Promise<unknown> {
    return gather(x, options as { errors: "skip" });
  }

  compute<T extends object>(node: Delayed<T>, options: ComputeOptions & { actors: true }): Future<AsActor<T>>;
  compute<T>(node: Delayed<T>, options?: ComputeOptions): Future<T>;
  compute<const N extends readonly Delayed<unknown>[]>(nodes: N, options?: ComputeOptions): Computed<N>;
  compute(nodes: never): never {
    this.calls.push([nodes]);
    throw new Error("computed");
  }

  persist<const N extends Delayed<unknown> | readonly Delayed<unknown>[]>(nodes: N): N {
    return nodes;
  }

  scatter<T>(values: readonly T[]): Future<T>[] {
    this.calls.push([values]);
    throw new Error("scattered");
  }

  run<A extends unknown[], R>(
    target: TaskTarget<A, R>,
    ...rest: ArgsThen<A, [options?: RunOptions]>
  ): Promise<Record<string, Awaited<R>>> {
    this.calls.push([target, ...rest]);
    return Promise.resolve({});
  }

  getActor<T = unknown>(key: string): Promise<Actor<T>> {
    return Promise.reject(new Error(`no ${key}`));
  }

  cancel(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

describe("the types", () => {
  it("can be implemented by a class, with the implementation hidden from TypeScript's advice", async () => {
    await using client: SmallClient = new SmallClient();
    const api: ClientApi = client;
    const add = (a: number, b: number) => a + b;
    assertThrows(() => api.submit(add, [1, 2], { pure: true }), Error, "submitted");
    assertThrows(() => api.map((x) => x + 1, [1, 2]), Error, "mapped");
    assertEquals(client.calls[0], [add, [1, 2], { pure: true }]);
    assertEquals(await api.gather([1, Promise.resolve(2)]), [1, 2]);
  });

  it("let completions go where an async iterable is wanted", async () => {
    const none: Completions<number> = {
      next: () => Promise.resolve({ done: true, value: undefined }),
      return: () => Promise.resolve({ done: true, value: undefined }),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
    const iterable: AsyncIterable<number> = none;
    assertEquals(await Array.fromAsync(iterable), []);
  });
});
