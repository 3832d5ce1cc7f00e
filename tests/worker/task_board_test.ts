import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { TaskBoard } from "../../worker/task_board.ts";

/** Both ends of one board. */
function bothEnds(): { isolate: TaskBoard; host: TaskBoard } {
  const host = new TaskBoard();
  return { isolate: new TaskBoard(host.memory), host };
}

function taken(board: TaskBoard): [number, number, number[]][] {
  const results: [number, number, number[]][] = [];
  board.take(({ number, took, value }) => results.push([number, took, [...value]]));
  return results;
}

describe("a task board", () => {
  it("lets orders begin in their order, until they are withdrawn", () => {
    const { isolate, host } = bothEnds();
    assertEquals([isolate.begin(1), isolate.begin(2)], [true, true]);
    assertEquals(host.withdraw(4), 2);
    assertEquals([isolate.begin(3), isolate.begin(4), isolate.begin(5)], [false, false, true]);
    assertEquals(host.withdraw(5), 5);
  });

  it("counts on where the numbers begin again", () => {
    const { isolate, host } = bothEnds();
    const last = 2 ** 31 - 1;
    host.withdraw(last - 1);
    assertEquals([isolate.begin(last), isolate.begin(last + 1 | 0)], [true, true]);
    assertEquals(host.withdraw(-(2 ** 31)), -(2 ** 31));
  });

  it("knows for certain, in two threads, which orders have begun", async () => {
    const host = new TaskBoard();
    const source = `
      import { TaskBoard } from ${JSON.stringify(import.meta.resolve("../../worker/task_board.ts"))};
      self.onmessage = ({ data: { memory, from, to } }) => {
        const board = new TaskBoard(memory);
        let begun = 0;
        for (let number = from; number <= to; number++) if (board.begin(number)) begun++;
        self.postMessage(begun);
      };`;
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const worker = new Worker(url, { type: "module" });
    try {
      for (let round = 0; round < 30; round++) {
        const from = round * 2000 + 1;
        const to = from + 1999;
        const begun = new Promise<number>((resolve) => worker.onmessage = ({ data }) => resolve(data));
        worker.postMessage({ memory: host.memory, from, to });
        // Sooner or later, and often in the middle.
        for (let spin = 0; spin < round * 2000; spin++) Atomics.load(new Int32Array(host.memory, 0, 1), 0);
        const last = host.withdraw(to);
        assertEquals(await begun, Math.max(0, last - from + 1));
      }
    } finally {
      worker.terminate();
      URL.revokeObjectURL(url);
    }
  });

  it("gives results as they were left, however they lie in its memory, and refuses what has no room", () => {
    const operation = fc.oneof(
      fc.record({ put: fc.integer({ min: 0, max: 1024 }) }),
      fc.constant("take" as const),
    );
    fc.assert(fc.property(fc.array(operation, { size: "+1", maxLength: 1000 }), (operations) => {
      const { isolate, host } = bothEnds();
      let left: [number, number, number[]][] = [];
      let bytes = 0;
      operations.forEach((operation, number) => {
        if (operation === "take") {
          assertEquals(taken(host), left);
          [left, bytes] = [[], 0];
          return;
        }
        const value = new Uint8Array(operation.put).fill(number);
        const isPut = isolate.put({ number, took: 1.5, value });
        if (isPut) left.push([number, 1.5, [...value]]);
        // There is room for more than 60 of the largest.
        else assert(bytes > 60 * 1024);
        bytes += isPut ? value.length + 15 : 0;
      });
      assertEquals(taken(host), left);
    }));
  });

  it("has the host told once of what it has not read", () => {
    const { isolate, host } = bothEnds();
    assertEquals(isolate.mustTell(), false);
    isolate.put({ number: 1, took: 0, value: new Uint8Array(3) });
    assertEquals([isolate.mustTell(), isolate.mustTell()], [true, false]);
    isolate.put({ number: 2, took: 0, value: new Uint8Array(3) });
    assertEquals(isolate.mustTell(), false);
    assertEquals(taken(host).length, 2);
    isolate.put({ number: 3, took: 0, value: new Uint8Array(3) });
    assertEquals(isolate.mustTell(), true);
  });
});
