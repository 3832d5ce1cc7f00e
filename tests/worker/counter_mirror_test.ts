import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { decodeValue, encodeValue } from "../../protocol/mod.ts";
import { CallCounters } from "../../worker/call_counters.ts";
import { CallRecorder } from "../../worker/call_recorder.ts";
import { CounterMirror, CounterSource, type MirrorMessage } from "../../worker/counter_mirror.ts";
import { CounterTable } from "../../worker/counter_table.ts";
import { FakeClock } from "../helpers/fake_clock.ts";

describe("counts of an isolate in another process", () => {
  it("are seen as those of one in this process are, a quarter of a second later, and only what has changed travels", () => {
    const clock = new FakeClock();
    const sent: MirrorMessage[] = [];
    const near = new CounterTable();
    const far = new CounterTable();
    const mirror = new CounterMirror();
    const source = new CounterSource(clock, (message) => {
      sent.push(message);
      const news = mirror.receive(decodeValue(encodeValue(message).bytes) as MirrorMessage);
      if (news) far.apply(news);
    });
    const counters = new CallCounters(clock, new CallRecorder(clock, () => {}), (news) => {
      near.apply(news);
      source.add(news);
    });
    const actors = [1, 2].map((n) => counters.ofActor("Counter", `Counter-${n}`, `${n}`, { add: "sync" }));
    const call = { id: 1, name: "add", waited: 3, counts: undefined, startedAt: 0 };
    actors[0]!.started(call, 10);
    clock.advance(20);
    actors[0]!.finished(call, true, 5);
    counters.unhandled();
    assertEquals(far.read().classes[0]?.calls, 0);
    clock.advance(250);
    assertEquals(far.read(), near.read());
    assertEquals([...far.actors()], [...near.actors()]);

    const before = sent.length;
    clock.advance(1000);
    assertEquals(sent.length, before);
    actors[1]!.started({ ...call, id: 2 }, 1);
    actors[0]!.end();
    source.tell();
    assertEquals(far.read(), near.read());
    assertEquals([...far.actors()], [...near.actors()]);
    assertEquals(sent.slice(before).map(({ type }) => type), ["mirrored", "counts"]);
  });
});
