import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import * as errors from "../../protocol/errors.ts";

const { ActorLostError, isRemoteError, RemoteError, TroupeError } = errors;

const CLASSES = [
  [errors.RemoteError, "REMOTE_ERROR", "RemoteError"],
  [errors.ActorLostError, "ACTOR_LOST", "ActorLostError"],
  [errors.ActorNotFoundError, "ACTOR_NOT_FOUND", "ActorNotFoundError"],
  [errors.ActorStartError, "INIT_FAILED", "ActorStartError"],
  [errors.MethodNotFoundError, "NO_SUCH_METHOD", "MethodNotFoundError"],
  [errors.NoWorkerError, "NO_WORKERS", "NoWorkerError"],
  [errors.SerializationError, "ARGUMENT_NOT_SERIALIZABLE", "SerializationError"],
  [errors.CallTimeoutError, "DEADLINE_EXCEEDED", "TimeoutError"],
  [errors.CallCancelledError, "CANCELLED", "AbortError"],
  [errors.MailboxFullError, "OVERLOADED", "MailboxFullError"],
  [errors.DeadlockError, "DEADLOCK", "DeadlockError"],
  [errors.ConnectionLostError, "CONNECTION_LOST", "ConnectionLostError"],
  [errors.UnauthorizedError, "UNAUTHORIZED", "UnauthorizedError"],
  [errors.ModuleNotAllowedError, "MODULE_NOT_ALLOWED", "ModuleNotAllowedError"],
  [errors.ModuleLoadError, "MODULE_LOAD_FAILED", "ModuleLoadError"],
  [errors.KeyConflictError, "KEY_CONFLICT", "KeyConflictError"],
  [errors.DependencyLostError, "DEPENDENCY_LOST", "DependencyLostError"],
  [errors.FreeVariableError, "FREE_VARIABLE", "FreeVariableError"],
  [errors.ProtocolError, "BAD_FRAME", "ProtocolError"],
  [errors.MainModuleError, "MAIN_MODULE", "MainModuleError"],
] as const;

describe("every error class", () => {
  for (const [errorClass, code, name] of CLASSES) {
    it(`${errorClass.name} has its code, its name, and is no other class`, () => {
      const error = new errorClass("what happened");
      assertEquals([error.code, error.name, error.message], [code, name, "what happened"]);
      assertMatch(error.stack!, new RegExp(`^${name}: what happened\n`));
      assertInstanceOf(error, Error);
      assertInstanceOf(error, TroupeError);
      for (const [other] of CLASSES) assertEquals(error instanceof other, other === errorClass);
      assertEquals("cause" in error, false);
      assertEquals(errors.errorClassOf(code), errorClass as unknown);
    });
  }

  it("says by default what its code implies, and what it is told instead", () => {
    const lost = new ActorLostError("gone", { worker: "w1", reason: "oom", executed: "no", cause: 5 });
    assertEquals([lost.worker, lost.reason, lost.executed, lost.retryable, lost.cause], ["w1", "oom", "no", false, 5]);
    assertEquals(new ActorLostError("gone").executed, "unknown");
    const leaving = new ActorLostError("leaving", { code: "DRAINING" });
    assertEquals([leaving.code, leaving.executed, leaving.retryable], ["DRAINING", "no", true]);
    assertEquals(new errors.SerializationError("", { code: "RESULT_TOO_LARGE" }).executed, "yes");
    const full = new errors.MailboxFullError("full", { retryAfterMs: 20 });
    assertEquals([full.executed, full.retryable, full.retryAfterMs], ["no", true, 20]);
  });

  it("carries the fields of its own", () => {
    assertEquals(new errors.NoWorkerError("", { wanted: { GPU: 1 }, offered: [{ GPU: 0 }] }).wanted, { GPU: 1 });
    assertEquals(new errors.FreeVariableError("", { variables: ["x"] }).variables, ["x"]);
    assertEquals(new errors.SerializationError("", { path: "args[0]" }).path, "args[0]");
    assertEquals(new errors.ProtocolError("", { offset: 3 }).offset, 3);
  });

  it("can be made without a message", () => {
    assertInstanceOf(new ActorLostError(), ActorLostError);
  });
});

describe("instanceof", () => {
  it("knows the errors of another copy of the library", async () => {
    const copy: typeof errors = await import(`${new URL("../../protocol/errors.ts", import.meta.url)}?copy`);
    assert(copy.ActorLostError !== ActorLostError);
    const theirs: unknown = new copy.ActorLostError("gone");
    assertInstanceOf(theirs, ActorLostError);
    assertInstanceOf(theirs, TroupeError);
    assertEquals(theirs instanceof errors.ActorNotFoundError, false);
    assertInstanceOf(new ActorLostError("gone"), copy.ActorLostError);
  });

  it("is not fooled by errors of others that have a code, or by plain objects", () => {
    assertEquals(Object.assign(new Error(), { code: "CANCELLED" }) instanceof errors.CallCancelledError, false);
    assertEquals(Object.assign(new Error(), { code: "ENOENT", executed: "no" }) instanceof TroupeError, false);
    assertEquals(Object.assign(new Error(), { code: "toString", executed: "no" }) instanceof TroupeError, false);
    const plain: unknown = { code: "ACTOR_LOST", executed: "no" };
    assertEquals(plain instanceof ActorLostError, false);
    for (const value of [null, undefined, 1, "ACTOR_LOST"]) {
      assertEquals((value as unknown) instanceof TroupeError, false);
    }
  });

  it("keeps its ordinary meaning for a class that a user derives from one of ours", () => {
    class Gone extends ActorLostError {}
    assertInstanceOf(new Gone("gone"), ActorLostError);
    assertInstanceOf(new Gone("gone"), Gone);
    assertEquals(new Gone("gone").code, "ACTOR_LOST");
    assertEquals((new ActorLostError("gone") as unknown) instanceof Gone, false);
  });
});

describe("isRemoteError()", () => {
  it("is true for what carries the mark of a worker, whatever its class", () => {
    const marked = Object.assign(new TypeError("boom"), { remote: { worker: "w1", method: "f" } });
    assert(isRemoteError(marked));
    assertEquals(marked.remote.worker, "w1");
    const unmarked: unknown = marked;
    assertInstanceOf(unmarked, RemoteError);
    assertInstanceOf(unmarked, TroupeError);
    assertInstanceOf(unmarked, TypeError);
    assert(isRemoteError(new RemoteError("boom", { remote: { worker: "w1" } })));
  });

  it("is false for local errors, and for marks that are none", () => {
    for (const remote of [true, null, {}, { worker: 1 }]) {
      assertEquals(isRemoteError(Object.assign(new Error(), { remote })), false);
    }
    assertEquals(isRemoteError(new Error()), false);
    assertEquals(isRemoteError({ remote: { worker: "w1" } }), false);
    assertEquals((new TypeError() as unknown) instanceof RemoteError, false);
  });
});
