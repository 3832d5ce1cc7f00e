import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { OneWayListener, PendingCall } from "../../client/call_link.ts";
import { CallKind, encodeError, type MessageOf } from "../../protocol/mod.ts";
import { delivered, openLinkedHome } from "../helpers/linked_home.ts";
import { actorReference } from "./scripted_scheduler.ts";

const ACTOR = actorReference("Log-1234abcd");

function callOf(id: number, slot: number, kind: number = CallKind.oneWay, bytes = 10): MessageOf<"call"> {
  const nothing = { deadline: undefined, priority: undefined, credit: undefined, trace: undefined };
  const args = new Uint8Array(bytes);
  return { op: "call", id, slot, kind, name: "append", args, refs: [], ...nothing, chain: [] };
}

/** Notes what becomes of one-way calls. */
class Listener implements OneWayListener {
  readonly key = ACTOR.key;
  readonly log: string[] = [];
  settled(count: number, bytes: number): void {
    this.log.push(`settled ${count}, ${bytes} bytes`);
  }
  failed(error: Error): void {
    this.log.push(`failed: ${error.message}`);
  }
}

/** Notes what becomes of a call. */
function pendingIn(log: string[], name: string): PendingCall {
  return {
    key: ACTOR.key,
    resolve: () => log.push(`${name} resolved`),
    fail: (executed) => log.push(`${name} failed, executed: ${executed}`),
    lose: (error) => log.push(`${name} lost: ${error.message}`),
  };
}

describe("one-way calls over a link", () => {
  it("go out in order with others, and their ends are counted together", async () => {
    const home = openLinkedHome();
    await home.connect();
    const listener = new Listener();
    const log: string[] = [];
    const slot = home.link.slotOf(ACTOR);
    home.link.callOneWay(callOf(1, slot), listener);
    home.link.call(callOf(2, slot, CallKind.method), pendingIn(log, "call"));
    home.link.callOneWay(callOf(3, slot), listener);
    await delivered();
    assertEquals(home.arrived.map((message) => message.op === "call" ? message.id : message.op), ["attach", 1, 2, 3]);
    assertEquals(home.link.pendingCalls, 1);
    await home.say({ op: "settled", slot, count: 2, bytes: 20, error: undefined });
    assertEquals(listener.log, ["settled 2, 20 bytes"]);
    // All of them have ended: there is nothing left to be lost.
    await home.close(1000);
    assertEquals(home.ends[0]!.pending.length, 1);
  });

  it("tell of one that failed", async () => {
    const home = openLinkedHome();
    await home.connect();
    const listener = new Listener();
    const slot = home.link.slotOf(ACTOR);
    home.link.callOneWay(callOf(1, slot), listener);
    await home.say({ op: "settled", slot, count: 1, bytes: 10, error: encodeError(new RangeError("too long")) });
    assertEquals(listener.log, ["settled 1, 10 bytes", "failed: too long"]);
  });

  it("are lost together, with one error", async () => {
    const home = openLinkedHome();
    await home.connect();
    const listener = new Listener();
    const slot = home.link.slotOf(ACTOR);
    for (let id = 1; id <= 3; id++) home.link.callOneWay(callOf(id, slot), listener);
    await home.say({ op: "settled", slot, count: 1, bytes: 10, error: undefined });
    await home.close(1001);
    const [{ pending, info }] = home.ends as [typeof home.ends[0]];
    assertEquals([pending.length, pending[0]!.key, info?.code], [1, ACTOR.key, 1001]);
    pending[0]!.lose(new Error("gone"));
    assertEquals(listener.log, ["settled 1, 10 bytes", "settled 2, 20 bytes", "failed: gone"]);
  });

  it("are taken along when their actor is forgotten", async () => {
    const home = openLinkedHome();
    await home.connect();
    const listener = new Listener();
    const log: string[] = [];
    const slot = home.link.slotOf(ACTOR);
    home.link.callOneWay(callOf(1, slot), listener);
    home.link.call(callOf(2, slot, CallKind.method), pendingIn(log, "call"));
    for (const pending of home.link.forget(ACTOR.key)) pending.lose(new Error("gone"));
    assertEquals([listener.log, log], [["settled 1, 10 bytes", "failed: gone"], ["call lost: gone"]]);
    // What is said of them later is of nobody.
    await home.say({ op: "settled", slot, count: 1, bytes: 10, error: undefined });
    assertEquals(listener.log.length, 2);
    home.link.close("done");
  });

  it("can be waited for until they have left", async () => {
    const home = openLinkedHome();
    assertEquals(home.link.oneWayCallsSent, undefined);
    home.link.callOneWay(callOf(1, home.link.slotOf(ACTOR)), new Listener());
    let sent = false;
    home.link.oneWayCallsSent!.then(() => sent = true);
    await delivered();
    assertEquals(sent, false);
    await home.connect();
    assertEquals([sent, home.link.oneWayCallsSent, home.ops], [true, undefined, ["attach", "call"]]);
    home.link.close("done");
  });

  it("are not waited for where they cannot leave", async () => {
    const home = openLinkedHome();
    const listener = new Listener();
    home.link.callOneWay(callOf(1, home.link.slotOf(ACTOR)), listener);
    const sent = home.link.oneWayCallsSent!;
    await home.refuse(new Error("nobody there"));
    await sent;
    const [{ pending, unsent, error }] = home.ends as [typeof home.ends[0]];
    assertEquals([pending.length, unsent.length], [0, 1]);
    assertEquals([error?.message, home.link.open], ["nobody there", false]);
  });
});

describe("a call over a link", () => {
  it("can be taken back until its connection stands", async () => {
    const home = openLinkedHome();
    const log: string[] = [];
    const slot = home.link.slotOf(ACTOR);
    for (const id of [1, 2, 3]) home.link.call(callOf(id, slot, CallKind.method), pendingIn(log, `call ${id}`));
    assertEquals([home.link.withdraw(2), home.link.withdraw(7)], [true, false]);
    await home.connect();
    assertEquals(home.link.withdraw(3), false);
    assertEquals(home.arrived.flatMap((message) => message.op === "call" ? [message.id] : []), [1, 3]);
    home.link.close("done");
  });

  it("does not leave any more once its actor is forgotten, for whom its loss said that it did not run", async () => {
    const home = openLinkedHome();
    const log: string[] = [];
    home.link.call(callOf(1, home.link.slotOf(ACTOR), CallKind.method), pendingIn(log, "call 1"));
    const other = { ...ACTOR, key: "Log-2345bcde" };
    home.link.call(callOf(2, home.link.slotOf(other), CallKind.method), {
      ...pendingIn(log, "call 2"),
      key: other.key,
    });
    for (const pending of home.link.forget(ACTOR.key)) pending.lose(new Error("gone"));
    await home.connect();
    assertEquals(home.arrived.map((message) => "slot" in message && [message.op, message.slot]), [
      ["attach", 2],
      ["call", 2],
    ]);
    assertEquals(log, ["call 1 lost: gone"]);
    home.link.close("done");
  });

  it("is known not to have left while it waits for the end of the turn, or behind another", async () => {
    const home = openLinkedHome();
    await home.connect();
    const slot = home.link.slotOf(ACTOR);
    const other = home.link.slotOf({ ...ACTOR, key: "Log-2345bcde" });
    const log: string[] = [];
    home.link.call(callOf(1, slot, CallKind.method), pendingIn(log, "sent"));
    await delivered();
    // Of 100 MB no more leaves at once than may be on its way; what follows to the same actor waits behind it.
    const large = callOf(2, slot, CallKind.method, 100_000_000);
    home.link.call(large, pendingIn(log, "in pieces"));
    home.link.call(callOf(3, slot, CallKind.method), pendingIn(log, "behind it"));
    home.link.call(callOf(4, other, CallKind.method, 100), pendingIn(log, "beside it"));
    await Promise.resolve();
    await Promise.resolve();
    home.link.call(callOf(5, other, CallKind.method), pendingIn(log, "of this turn"));
    // About a call that has left, and with the number of one.
    home.link.cancel(1);
    home.cut();
    const [{ pending, unsent }] = home.ends as [typeof home.ends[0]];
    for (const call of pending) call.lose(new Error("perhaps"));
    for (const call of unsent) call.lose(new Error("never"));
    assertEquals(log, [
      "sent lost: perhaps",
      "in pieces lost: perhaps",
      "beside it lost: perhaps",
      "behind it lost: never",
      "of this turn lost: never",
    ]);
  });

  it("is dropped: its answer is nobody's", async () => {
    const home = openLinkedHome();
    await home.connect();
    const log: string[] = [];
    const slot = home.link.slotOf(ACTOR);
    for (const id of [1, 2]) home.link.call(callOf(id, slot, CallKind.method), pendingIn(log, `call ${id}`));
    home.link.drop(1);
    for (const id of [1, 2]) await home.say({ op: "result", id, value: new Uint8Array(1), refs: [] });
    assertEquals(log, ["call 2 resolved"]);
    home.link.close("done");
  });

  it("gives back what was in an answer that nobody wants", async () => {
    const home = openLinkedHome();
    await home.connect();
    await home.say({ op: "result", id: 5, value: new Uint8Array(1), refs: ["key-1"] });
    await home.say({ op: "item", id: 6, value: new Uint8Array(1), refs: ["key-2"] });
    assertEquals(home.arrived.map((message) => message.op === "taken" && message.id), [5, 6]);
    home.link.close("done");
  });

  it("ends its connection where the home says what only callers say", async () => {
    const home = openLinkedHome();
    await home.connect();
    await home.say({ op: "cancel", id: 1, slot: 1, reason: undefined });
    assertEquals(home.ends[0]!.info?.code, 4400);
    assertMatch(home.ends[0]!.info!.reason, /Cannot take a cancel message/);
  });
});
