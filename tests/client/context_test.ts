import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type Context,
  type ContextProvider,
  currentActor,
  currentCall,
  currentClient,
  currentWorker,
} from "../../client/context.ts";

const SLOT = Symbol.for("troupe.context.1");

/** Runs `body` where a worker has installed its provider. */
function withProvider(provider: ContextProvider, body: () => void): void {
  Reflect.set(globalThis, SLOT, provider);
  try {
    body();
  } finally {
    Reflect.deleteProperty(globalThis, SLOT);
  }
}

describe("the context of a call", () => {
  const context = {
    actor: {} as never,
    client: {} as never,
    worker: { id: "w1", name: "alice", address: "ws://127.0.0.1:1" },
    call: { signal: new AbortController().signal, deadline: 5 },
  } satisfies Context;

  it("is what the worker put behind the registered symbol", () => {
    withProvider({ get: () => context }, () => {
      assertStrictEquals(currentActor(), context.actor);
      assertStrictEquals(currentClient(), context.client);
      assertEquals(currentWorker().name, "alice");
      assertStrictEquals(currentCall().signal, context.call.signal);
    });
  });

  it("has no actor in a task", () => {
    const { actor: _, ...task } = context;
    withProvider({ get: () => task }, () => {
      assertEquals(currentWorker().id, "w1");
      assertThrows(
        () => currentActor(),
        Error,
        "currentActor() is only available inside a method: a task has no actor",
      );
    });
  });

  it("is refused outside of a method or task, with or without a worker", () => {
    const functions = { currentActor, currentClient, currentWorker, currentCall };
    for (const [name, current] of Object.entries(functions)) {
      const message = `${name}() is only available inside a method or a task that runs on a worker`;
      assertThrows(() => current(), Error, message);
      withProvider({ get: () => undefined }, () => assertThrows(() => current(), Error, message));
    }
  });
});
