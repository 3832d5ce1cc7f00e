import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Untaken } from "../../client/untaken.ts";

describe("what was sent and is held until it was taken", () => {
  it("is let go in the order in which it was sent, for each number by itself", () => {
    const untaken = new Untaken();
    const log: string[] = [];
    for (const name of ["1a", "2a", "1b"]) untaken.add(Number(name[0]), () => log.push(name));
    assertEquals(untaken.size, 2);
    untaken.take(1);
    untaken.take(2);
    assertEquals([log, untaken.size], [["1a", "2a"], 1]);
    untaken.take(1);
    assertEquals([log, untaken.size], [["1a", "2a", "1b"], 0]);
  });

  it("is not let go by what was never sent, and all at once by the end", () => {
    const untaken = new Untaken();
    const log: string[] = [];
    untaken.take(7);
    for (const name of ["1a", "1b", "2a"]) untaken.add(Number(name[0]), () => log.push(name));
    untaken.clear();
    untaken.take(1);
    assertEquals([log, untaken.size], [["1a", "1b", "2a"], 0]);
  });
});
