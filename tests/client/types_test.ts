import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type {
  Actor,
  ActorOptions,
  ActorTarget,
  Arg,
  ArgsThen,
  ClientApi,
  Completions,
  Future,
  Gathered,
  GatheredSome,
  GatherOptions,
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
