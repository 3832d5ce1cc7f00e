import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { afterThisTurn } from "../../connection/mod.ts";
import { CallKind, type Encoded, encodeValue, type Executed, type MessageOf } from "../../protocol/mod.ts";
import type { CallReceiver, PendingCall } from "../../worker/active_call.ts";
import { ActorInstance, DEFAULT_BOUNDS } from "../../worker/actor_instance.ts";
import { CallCounters } from "../../worker/call_counters.ts";
import { CallRecorder } from "../../worker/call_recorder.ts";
import { IsolateScope } from "../../worker/isolate_scope.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { isolateSettings, NO_SERVICES } from "../helpers/isolates.ts";

/** Its calls run until the test ends them. */
class Gate {
  readonly #started: number[];
  readonly #gates: Map<number, PromiseWithResolvers<void>>;

  constructor(started: number[], gates: Map<number, PromiseWithResolvers<void>>) {
    this.#started = started;
    this.#gates = gates;
  }

  async enter(id: number): Promise<number> {
    this.#started.push(id);
    const gate = Promise.withResolvers<void>();
    this.#gates.set(id, gate);
    await gate.promise;
    return id;
  }
  note(id: number): void {
    this.#started.push(id);
  }
}

/** One caller, with what became of its calls. */
class Receiver implements CallReceiver {
  readonly caller = this;
  readonly answers = new Map<number, string[]>();
  readonly pending = new Map<number, PendingCall>();
  #room: PromiseWithResolvers<void> | undefined;

  get room(): Promise<void> | undefined {
    return this.#room?.promise;
  }
  /** Reads its answers, or stops reading them. */
  set reads(reads: boolean) {
    if (reads) this.#room?.resolve();
    this.#room = reads ? undefined : this.#room ?? Promise.withResolvers();
  }
  result(id: number, _value: Encoded): void {
    this.#answer(id, "ok");
  }
  item(): void {}
  failure(id: number, executed: Executed): void {
    this.#answer(id, executed);
  }
  onPending(call: PendingCall): void {
    this.pending.set(call.id, call);
  }
  onSettled(call: PendingCall): void {
    this.pending.delete(call.id);
  }
  lentTo() {
    return {};
  }
  takeStreams() {
    return [];
  }
  #answer(id: number, answer: string): void {
    const answers = this.answers.get(id);
    if (answers) answers.push(answer);
    else this.answers.set(id, [answer]);
  }
}

/** An actor, and who calls it. */
class Stage {
  readonly clock = new FakeClock();
  readonly started: number[] = [];
  readonly gates = new Map<number, PromiseWithResolvers<void>>();
  readonly receivers = [new Receiver(), new Receiver(), new Receiver()];
  readonly calls: { readonly id: number; readonly caller: number; readonly priority: number }[] = [];
  readonly instance: ActorInstance;
  readonly scope: IsolateScope;

  constructor(concurrency: number, maxPending: number) {
    const { clock } = this;
    this.scope = new IsolateScope({
      home: "inline",
      address: "",
      settings: isolateSettings(),
      services: NO_SERVICES,
      clock,
    });
    const counters = new CallCounters(clock, new CallRecorder(clock, () => {}), () => {});
    this.instance = new ActorInstance({
      object: new Gate(this.started, this.gates),
      key: "Gate-1",
      incarnation: "0123456789abcdef",
      tag: new Uint8Array(16),
      scope: this.scope,
      bounds: { ...DEFAULT_BOUNDS, concurrency, maxPending },
      className: "Gate",
      count: (methods) => counters.ofActor("Gate", "Gate-1", "0123456789abcdef", methods),
      onUnhandled: (error) => {
        throw error;
      },
    });
  }

  call(caller: number, name: "enter" | "note", priority: number, deadline: number | undefined): void {
    const id = this.calls.length + 1;
    this.calls.push({ id, caller, priority });
    const message: MessageOf<"call"> = {
      op: "call",
      id,
      slot: 1,
      kind: CallKind.method,
      name,
      args: encodeValue([id]).bytes.slice(),
      refs: [],
      deadline,
      priority: 2 ** 31 + priority,
      credit: undefined,
      trace: undefined,
      chain: [],
    };
    this.instance.call(message, this.receivers[caller]!);
  }

  cancel(id: number): void {
    for (const receiver of this.receivers) receiver.pending.get(id)?.cancel("not needed");
  }

  /** Ends a method that runs, which one `pick` says. */
  finish(pick: number, fails: boolean): void {
    const ids = [...this.gates.keys()];
    const id = ids[pick % ids.length];
    if (id === undefined) return;
    const gate = this.gates.get(id)!;
    this.gates.delete(id);
    if (fails) gate.reject(new RangeError("as the test wants"));
    else gate.resolve();
  }

  /** Lets the loop go on until nothing moves. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 2; turn++) await new Promise<void>((resolve) => afterThisTurn(resolve));
  }

  answersOf(id: number): readonly string[] {
    return this.receivers.flatMap((receiver) => receiver.answers.get(id) ?? []);
  }
}

type Step = (stage: Stage) => void;

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      caller: fc.nat(2),
      name: fc.constantFrom("enter", "enter", "note"),
      priority: fc.constantFrom(0, 0, 0, 1, -1),
      deadline: fc.option(fc.nat(50), { nil: undefined }),
    }).map(({ caller, name, priority, deadline }): Step => (stage) => stage.call(caller, name, priority, deadline)),
  },
  { weight: 3, arbitrary: fc.nat(60).map((id): Step => (stage) => stage.cancel(id)) },
  {
    weight: 5,
    arbitrary: fc.tuple(fc.nat(60), fc.boolean()).map(([pick, fails]): Step => (stage) => stage.finish(pick, fails)),
  },
  { weight: 2, arbitrary: fc.nat(20).map((time): Step => (stage) => stage.clock.advance(time)) },
  // The isolate's other work takes its turn.
  { weight: 1, arbitrary: fc.constant<Step>((stage) => stage.scope.loop.turns.spend(100)) },
  {
    weight: 4,
    arbitrary: fc.tuple(fc.nat(2), fc.boolean()).map(([caller, reads]): Step => (stage) => {
      stage.receivers[caller]!.reads = reads;
    }),
  },
);

const run = fc.record({
  concurrency: fc.constantFrom(1, 2, 3, Infinity),
  maxPending: fc.constantFrom(4, 1000),
  // Some happen in one turn, others in one after another.
  steps: fc.array(fc.tuple(step, fc.boolean()), { minLength: 1, maxLength: 100, size: "max" }),
  ends: fc.boolean(),
});

describe("the calls of an actor, whatever happens in whatever order", () => {
  it("settle once each; no more of them run than may; those of one caller and priority start in their order", async () => {
    await fc.assert(
      fc.asyncProperty(run, async ({ concurrency, maxPending, steps, ends }) => {
        const stage = new Stage(concurrency, maxPending);
        for (const [take, waits] of steps) {
          take(stage);
          assert(stage.gates.size <= concurrency, `${stage.gates.size} run`);
          if (waits) await stage.settle();
        }
        for (const receiver of stage.receivers) receiver.reads = true;
        if (ends) stage.instance.end("cancelled");
        for (let round = 0; round <= stage.calls.length; round++) {
          stage.finish(0, false);
          await stage.settle();
          assert(stage.gates.size <= concurrency, `${stage.gates.size} run`);
        }

        const started = new Map(stage.started.map((id, place) => [id, place]));
        assertEquals(started.size, stage.started.length, "none starts twice");
        const last = new Map<string, number>();
        for (const { id, caller, priority } of stage.calls) {
          const answers = stage.answersOf(id);
          assertEquals(answers.length, 1, `call ${id} was answered ${answers}`);
          // What did not start says so, and only that.
          assertEquals(answers[0] === "no", !started.has(id), `call ${id}: ${answers}`);
          const place = started.get(id);
          if (place === undefined) continue;
          const lane = `${caller} ${priority}`;
          assert(place > (last.get(lane) ?? -1), `call ${id} started before an earlier one of its caller`);
          last.set(lane, place);
        }
        for (const { pending } of stage.receivers) assertEquals(pending.size, 0);
        await stage.instance.drain();
        assertEquals(stage.clock.timers, 0, "no timer is left");
      }),
      { numRuns: 500 },
    );
  });
});
