import { createActorFuture } from "../../client/actor_future.ts";
import type { HandleTarget } from "../../client/brands.ts";
import type { ActorFuture, CallOptions } from "../../client/types.ts";

/** The target of a handle that notes what it is asked for and answers at once. */
export class ScriptedTarget implements HandleTarget {
  readonly key = "Counter-1234abcd";
  /** Calls, reads and releases so far. */
  readonly asked: unknown[][] = [];
  /** Throws this instead of answering. */
  failure: Error | undefined;

  call(
    method: string,
    kind: string,
    args: unknown[],
    options: CallOptions,
  ): ActorFuture<unknown> | AsyncGenerator<unknown> {
    this.asked.push(["call", method, kind, args, options]);
    if (this.failure !== undefined) throw this.failure;
    return kind.endsWith("enerator") ? stream(args) : answer(args.length);
  }

  send(method: string, args: unknown[], options: CallOptions): void {
    this.asked.push(["send", method, args, options]);
  }

  read(attribute: string, options: CallOptions): ActorFuture<unknown> {
    this.asked.push(["read", attribute, options]);
    if (this.failure !== undefined) throw this.failure;
    return answer(0);
  }

  release(): Promise<void> {
    this.asked.push(["release"]);
    return this.failure === undefined ? Promise.resolve() : Promise.reject(this.failure);
  }

  reference(): unknown {
    return { key: this.key };
  }
}

function answer(value: unknown): ActorFuture<unknown> {
  const resolvers = createActorFuture<unknown>({ repr: "<ActorFuture: scripted>" });
  resolvers.resolve(value);
  return resolvers.future;
}

async function* stream(values: unknown[]): AsyncGenerator<unknown> {
  yield* values;
}
