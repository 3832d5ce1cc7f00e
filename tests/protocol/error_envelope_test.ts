import { assert, assertEquals, assertInstanceOf, assertMatch, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { fromErrorEnvelope, joinCallSite, toErrorEnvelope } from "../../protocol/error_envelope.ts";
import {
  ActorLostError,
  FreeVariableError,
  isRemoteError,
  NoWorkerError,
  RemoteError,
  TroupeError,
} from "../../protocol/errors.ts";
import type { RemoteMark } from "../../protocol/errors.ts";
import { decodeError, decodeValue, encodeError, encodeValue, REFERENCE } from "../../protocol/values.ts";

const MARK: RemoteMark = { worker: "worker-1", actor: "Counter-1", method: "add" };

type Fields = Error & Record<string, unknown>;

/** As it arrives at the caller after user code threw it on a worker. */
function thrown(error: unknown, mark = MARK): Fields {
  return decodeError(encodeError(error, mark)) as Fields;
}

/** As it arrives at the caller after the worker itself refused the call. */
function refused(error: unknown): Fields {
  return decodeError(encodeError(error)) as Fields;
}

class OutOfStock extends Error {
  override name = "OutOfStock";
  constructor(message: string, readonly item: string, readonly left: number) {
    super(message);
  }
}

describe("an error that a method threw", () => {
  it("keeps a built-in class, and is a RemoteError as well", () => {
    for (const errorClass of [Error, TypeError, RangeError, SyntaxError, EvalError, ReferenceError, URIError]) {
      const arrived: unknown = thrown(new errorClass("boom"));
      assertInstanceOf(arrived, errorClass);
      assertStrictEquals<unknown>(Object.getPrototypeOf(arrived), errorClass.prototype);
      assertEquals([arrived.name, arrived.message], [errorClass.name, "boom"]);
      assertInstanceOf(arrived, RemoteError);
      assert(isRemoteError(arrived));
      assertEquals(arrived.remote, MARK);
      assertEquals([arrived.code, arrived.executed, arrived.retryable], ["REMOTE_ERROR", "yes", false]);
      assertEquals(Object.keys(arrived), []);
    }
  });

  it("arrives as a RemoteError with name, message and fields where the class is the user's own", () => {
    const arrived = thrown(new OutOfStock("no more tea", "tea", 0));
    assertInstanceOf(arrived, RemoteError);
    assertEquals([arrived.name, arrived.message, arrived.item, arrived.left], ["OutOfStock", "no more tea", "tea", 0]);
    assertEquals((arrived as unknown as RemoteError).remote, MARK);
  });

  it("has the name of its class where it has set none", () => {
    class Unnamed extends TypeError {}
    assertEquals(thrown(new (class Nameless extends Error {})()).name, "Nameless");
    assertEquals(thrown(new Unnamed()).name, "TypeError");
  });

  it("keeps the code that its class gave it", () => {
    const arrived = thrown(Object.assign(new Error("no file"), { code: "ENOENT", retryable: true, errno: -2 }));
    assertEquals([arrived.code, arrived.retryable, arrived.errno], ["ENOENT", true, -2]);
    assertEquals(arrived.executed, "yes");
    const own = thrown(Object.assign(new OutOfStock("x", "y", 1), { code: "E42" }));
    assertEquals([own.code, own.executed], ["E42", "yes"]);
    assertInstanceOf(own, RemoteError);
  });

  it("keeps DOMException and AggregateError", () => {
    const abort = thrown(new DOMException("stop", "AbortError"));
    assertInstanceOf(abort, DOMException);
    assertEquals([abort.name, abort.message], ["AbortError", "stop"]);
    const many = thrown(new AggregateError([new TypeError("a"), 5, () => 1], "several")) as unknown as
      & AggregateError
      & Fields;
    assertInstanceOf(many, AggregateError);
    assertInstanceOf(many.errors[0], TypeError);
    assertEquals([many.errors.length, many.errors[1], many.dropped], [2, 5, "errors[2]"]);
  });

  it("keeps its cause, of whatever kind, down to eight levels", () => {
    const arrived = thrown(new Error("outer", { cause: new RangeError("middle", { cause: { reason: [1, 2n] } }) }));
    assertInstanceOf(arrived.cause, RangeError);
    assertEquals((arrived.cause as Error).cause, { reason: [1, 2n] });
    assertEquals(isRemoteError(arrived.cause), false);

    let chain = new Error("0");
    for (let level = 1; level <= 20; level++) chain = new Error(`${level}`, { cause: chain });
    let last = thrown(chain);
    let levels = 0;
    for (; last.cause instanceof Error; levels++) last = last.cause as Fields;
    assertEquals([levels, last.dropped], [8, "cause"]);
  });

  it("keeps a cause of undefined apart from no cause", () => {
    assertEquals("cause" in thrown(new Error("", { cause: undefined })), true);
    assertEquals("cause" in thrown(new Error("")), false);
  });

  it("keeps fields of every kind that can be sent, and names those that it had to drop", () => {
    const error = Object.assign(new Error("boom"), {
      map: new Map([[1, new Date(5)]]),
      inner: new TypeError("inner"),
      missing: undefined,
      socket: new EventTarget(),
      callback: () => 1,
      list: [1, Symbol("x")],
      handle: { [REFERENCE]: true },
      text: "\ud800",
    });
    Object.defineProperty(error, "hostile", {
      enumerable: true,
      get: () => {
        throw new Error("no");
      },
    });
    const arrived = thrown(error);
    assertEquals([arrived.map, "missing" in arrived], [error.map, true]);
    assertInstanceOf(arrived.inner, TypeError);
    assertEquals(arrived.dropped, "socket, callback, list, handle, text, hostile");
    for (const name of ["socket", "callback", "list", "handle", "text", "hostile"]) {
      assertEquals(name in arrived, false);
    }
  });

  it("is not confused by errors that contain themselves or each other", () => {
    const self = Object.assign(new Error("self"), {}) as Fields;
    Object.assign(self, { self, nested: { list: [self] }, cause: self });
    assertEquals([thrown(self).message, thrown(self).dropped], ["self", "cause, self, nested"]);
    const first = new Error("first") as Fields, second = new Error("second") as Fields;
    first.other = second;
    second.other = first;
    const arrived = thrown(first);
    assertEquals([arrived.message, (arrived.other as Error).message], ["first", "second"]);
  });

  it("brings its stack, without frames of the library", () => {
    const error = new Error("boom");
    error.stack = [
      "Error: boom",
      "    at Counter.add (https://user.test/counter.ts:3:9)",
      `    at dispatch (${new URL("../../worker/actor_instance.ts", import.meta.url)}:7:1)`,
    ].join("\n");
    assertEquals(thrown(error).stack, "Error: boom\n    at Counter.add (https://user.test/counter.ts:3:9)");
  });

  it("still arrives where its getters throw, or its message is no string", () => {
    class Hostile extends Error {
      override get name(): string {
        throw new Error("no name");
      }
      override get message(): string {
        throw new Error("no message");
      }
    }
    assertInstanceOf(thrown(new Hostile()), RemoteError);
    assertEquals(thrown(Object.assign(new Error(), { message: 5, name: null })).message, "");
  });

  it("still arrives, without its fields, where it is too large or too deep", () => {
    const error = Object.assign(new RangeError("big"), { code: "E1", data: Array.from({ length: 300_000 }, () => []) });
    const arrived = thrown(error);
    assertInstanceOf(arrived, RangeError);
    assertEquals([arrived.message, arrived.data], ["big", undefined]);
    assertMatch(String(arrived.dropped), /fields: .*more than 250000/);
    assert(isRemoteError(arrived));
  });

  it("keeps its built-in class over several actors, and as the cause of another", () => {
    const arrived = thrown(thrown(new RangeError("deep")), { worker: "worker-2" });
    assertInstanceOf(arrived, RangeError);
    assertInstanceOf(arrived, RemoteError);
    assertInstanceOf(thrown(new Error("around", { cause: arrived })).cause, RangeError);
  });

  it("keeps the mark of the worker where it was thrown first", () => {
    assertEquals(
      (thrown(thrown(new TypeError("deep")), { worker: "worker-2" }) as unknown as RemoteError).remote,
      MARK,
    );
  });
});

describe("something that is no error, but was thrown", () => {
  it("arrives as a RemoteError whose cause it is", () => {
    for (const value of ["boom", 5, null, undefined, { reason: "no" }, [1n]]) {
      const arrived = thrown(value);
      assertInstanceOf(arrived, RemoteError);
      assertEquals(["cause" in arrived, arrived.cause], [true, value]);
      assertMatch(arrived.message, /^What was thrown is no error but /);
    }
    assertMatch(thrown("boom").message, /the string "boom"/);
  });

  it("is described where it cannot be sent", () => {
    const arrived = thrown(() => 1);
    assertInstanceOf(arrived, RemoteError);
    assertEquals([arrived.message, arrived.dropped], ["What was thrown is no error but a function", "cause"]);
  });
});

describe("an error of Troupe's own", () => {
  it("arrives as what it was, with code, executed, retryable and its fields", () => {
    const lost = refused(
      new ActorLostError("gone", { worker: "w", reason: "oom", executed: "no", cause: new Error("x") }),
    );
    assertStrictEquals(Object.getPrototypeOf(lost), ActorLostError.prototype);
    assertEquals([lost.name, lost.code, lost.executed, lost.worker, lost.reason], [
      "ActorLostError",
      "ACTOR_LOST",
      "no",
      "w",
      "oom",
    ]);
    assertInstanceOf(lost.cause, Error);
    assertEquals(isRemoteError(lost), false);
    const none = refused(new NoWorkerError("none", { wanted: { GPU: 2 }, offered: [{ name: "a" }] }));
    assertEquals([none.retryable, none.wanted, none.offered], [true, { GPU: 2 }, [{ name: "a" }]]);
    assertEquals(refused(new FreeVariableError("", { variables: ["x"] })).variables, ["x"]);
  });

  it("says that the call ran, once user code has thrown it on", () => {
    const inner = new NoWorkerError("none");
    assertEquals([inner.executed, inner.retryable], ["no", true]);
    const arrived = thrown(inner);
    assertInstanceOf(arrived, NoWorkerError);
    assertInstanceOf(arrived, RemoteError);
    assertEquals([arrived.executed, arrived.retryable], ["yes", false]);
  });

  it("keeps its code and executed even where the rest is too large", () => {
    const lost = Object.assign(new ActorLostError("gone", { executed: "no" }), {
      data: Array.from({ length: 300_000 }, () => []),
    });
    const arrived = refused(lost);
    assertInstanceOf(arrived, ActorLostError);
    assertEquals(arrived.executed, "no");
  });
});

describe("an error that is sent as a value", () => {
  it("keeps a built-in class, and arrives as an Error of its name otherwise", () => {
    const [own, built] = decodeValue(
      encodeValue([new OutOfStock("no tea", "tea", 0), new TypeError("t")]).bytes,
    ) as Fields[];
    assertEquals([own!.name, own!.item, own instanceof RemoteError], ["OutOfStock", "tea", false]);
    assertStrictEquals(Object.getPrototypeOf(own), Error.prototype);
    assertEquals([built instanceof TypeError, isRemoteError(built), "executed" in built!], [true, false, false]);
  });
});

describe("an envelope that somebody made up", () => {
  it("never makes anything but an error that says so", () => {
    for (const data of [null, 5, "x", [], {}, { name: 1, message: 2 }, { name: "Error" }, new Map()]) {
      const error = fromErrorEnvelope(data);
      assertInstanceOf(error, RemoteError);
      assertMatch(error.message, /^Cannot read an error that arrived/);
    }
    assertMatch(decodeError(Uint8Array.of(0xc1)).message, /^Cannot read an error that arrived/);
  });

  it("cannot name a class that is not on the list, or reach a prototype", () => {
    for (const name of ["Function", "constructor", "__proto__", "toString", "Promise", "hasOwnProperty"]) {
      const error = fromErrorEnvelope({
        name,
        message: "m",
        class: name,
        code: name,
        executed: "no",
        remote: { worker: "w" },
      });
      assertStrictEquals(Object.getPrototypeOf(error), RemoteError.prototype);
      assertEquals(error.name, name);
    }
    const fields = JSON.parse(
      '{"__proto__": {"polluted": 1}, "stack": 5, "message": 6, "remote": 7, "executed": "no", "ok": 1}',
    );
    const error = fromErrorEnvelope({ name: "E", message: "m", fields, remote: { worker: "w" } }) as Fields;
    assertEquals([error.message, error.executed, error.ok, error.polluted], ["m", "yes", 1, undefined]);
    assertEquals((error as unknown as RemoteError).remote, { worker: "w" });
  });

  it("cannot give the fields of Troupe's own errors another type", () => {
    const wire = { name: "ActorLostError", message: "m", code: "ACTOR_LOST", executed: "maybe", retryable: "yes" };
    assertEquals(fromErrorEnvelope(wire) instanceof TroupeError, false);
    const error = fromErrorEnvelope({
      ...wire,
      executed: "no",
      fields: { worker: 5, reason: ["x"], extra: 1 },
    }) as Fields;
    assertInstanceOf(error, ActorLostError);
    assertEquals([error.worker, error.reason, error.retryable, error.extra], [undefined, undefined, false, 1]);
  });

  it("never throws, whatever it holds", () => {
    fc.assert(
      fc.property(
        fc.record({
          name: fc.string(),
          message: fc.string(),
          class: fc.anything(),
          code: fc.constantFrom("ACTOR_LOST", "NO_WORKERS", "x", 1),
          executed: fc.constantFrom("no", "yes", 5),
          stack: fc.anything(),
          cause: fc.anything(),
          errors: fc.anything(),
          thrown: fc.anything(),
          fields: fc.anything(),
          dropped: fc.anything(),
          remote: fc.anything(),
        }, { requiredKeys: ["name", "message"] }),
        (data) => assertInstanceOf(fromErrorEnvelope(data), Error),
      ),
      { numRuns: 500 },
    );
  });
});

describe("toErrorEnvelope()", () => {
  it("never throws and always gives what can be encoded, whatever was thrown", () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withMap: true, withSet: true, withTypedArray: true }),
        fc.string(),
        (value, name) => {
          encodeValue(toErrorEnvelope(value));
          encodeValue(toErrorEnvelope(Object.assign(new Error(name), { value }), MARK));
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("joinCallSite()", () => {
  it("puts the stack of the call below the remote one, without the library's frames", () => {
    const error = thrown(new TypeError("boom"));
    const remoteStack = error.stack;
    const callSite = [
      "Error",
      `    at call (${new URL("../../client/actor.ts", import.meta.url)}:9:9)`,
      "    at main (https://user.test/app.ts:10:5)",
    ].join("\n");
    joinCallSite(error, callSite);
    assertEquals(
      error.stack,
      `${remoteStack}\n    ---- above: thrown on worker-1; below: called from ----\n    at main (https://user.test/app.ts:10:5)`,
    );
    assertEquals(Object.keys(error), []);
  });

  it("takes an error as the call site, and shows where this test made it", () => {
    const error = thrown(new RangeError("boom"));
    joinCallSite(error, new Error("made at the call"));
    const local = error.stack!.split("----").at(-1)!;
    assertMatch(local, /error_envelope_test\.ts:\d+:\d+/);
    assertEquals(local.includes("made at the call"), false);
  });

  it("leaves the stack alone where there is nothing to say, and a frozen error as it is", () => {
    const error = new Error("boom");
    const { stack } = error;
    joinCallSite(error, "Error");
    assertEquals(error.stack, stack);
    const frozen = Object.freeze(new Error("boom"));
    const before = frozen.stack;
    joinCallSite(frozen, new Error());
    assertEquals(frozen.stack, before);
  });
});
