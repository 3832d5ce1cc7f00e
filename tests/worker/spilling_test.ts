import { assert, assertEquals, assertRejects } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { ResultStore } from "../../worker/result_store.ts";
import { type Extent, SpillFile } from "../../worker/spill_file.ts";
import { Spilling } from "../../worker/spilling.ts";
import { FakeClock } from "../helpers/fake_clock.ts";

const MIB = 2 ** 20;

function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

let folder: string;

async function open(): Promise<SpillFile> {
  const file = await SpillFile.open(["/no/such/folder/that/may/be/written", folder].slice(1));
  assert(file);
  return file;
}

async function names(): Promise<string[]> {
  const found = [];
  for await (const { name } of Deno.readDir(folder)) found.push(name);
  return found;
}

describe("what does not fit into memory", () => {
  beforeEach(async () => {
    folder = await Deno.makeTempDir();
  });
  afterEach(async () => {
    await Deno.remove(folder, { recursive: true });
  });

  describe("the file of what does not fit into memory", () => {
    it("has no name, so that it is gone with its process", async () => {
      const file = await open();
      const extent = await file.write(filled(100, 1));
      assertEquals(await names(), []);
      assertEquals(await file.read(extent), filled(100, 1));
      await file.close();
    });

    it("gives back what was written, whatever is freed between, and takes no more room than it must", async () => {
      const step = fc.record({ free: fc.nat(9), length: fc.integer({ min: 1, max: 50 }) });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
          const file = await open();
          const written: { extent: Extent; bytes: Uint8Array }[] = [];
          let most = 0;
          for (const [index, { free, length }] of steps.entries()) {
            const bytes = filled(length, index);
            written.push({ extent: await file.write(bytes), bytes });
            most = Math.max(most, written.reduce((sum, { bytes }) => sum + bytes.length, 0));
            const [freed] = free < 5 ? written.splice(free % written.length, 1) : [];
            if (freed) file.free(freed.extent);
            for (const { extent, bytes } of written) assertEquals(await file.read(extent), bytes);
          }
          assert(file.length <= most * 4 + 50, `${file.length} bytes for ${most}`);
          for (const { extent } of written) file.free(extent);
          assertEquals(file.length, 0);
          await file.close();
        }),
        { numRuns: 30 },
      );
    });

    it("reads what is freed right after it was asked for", async () => {
      const file = await open();
      const extent = await file.write(filled(1000, 1));
      const reading = file.read(extent);
      file.free(extent);
      const other = file.write(filled(1000, 2));
      assertEquals(await reading, filled(1000, 1));
      assertEquals(await file.read(await other), filled(1000, 2));
      await file.close();
    });
  });

  describe("results in a file", () => {
    it("are those that were used longest ago, and are given as ever", async () => {
      const results = new ResultStore();
      for (const [index, key] of ["a", "b", "c"].entries()) {
        results.put(key, 1, { bytes: filled(20_000, index), refs: [key] });
      }
      results.put("small", 1, { bytes: filled(2000, 9), refs: [] });
      results.get("a");
      const file = await open();
      assertEquals(await results.spill(file, 20_001), 40_000);
      assertEquals([results.bytes, results.spilledBytes], [62_000, 40_000]);
      assert(!(results.get("a") instanceof Promise) && results.get("b") instanceof Promise);
      assertEquals(await results.get("c"), { bytes: filled(20_000, 2), refs: ["c"] });
      results.delete("b", 1);
      results.put("c", 2, { bytes: filled(20_000, 5), refs: [] });
      assertEquals([results.spilledBytes, file.length], [0, 0]);
      assertEquals(await results.spill(file, Infinity), 40_000);
      assertEquals(await results.get("c"), { bytes: filled(20_000, 5), refs: [] });
      assertEquals(await results.get("small"), { bytes: filled(2000, 9), refs: [] });
      assertEquals(results.largest(2).map(({ key }) => key).sort(), ["a", "c"]);
      await file.close();
    });

    it("are free again where they were dropped while they were written", async () => {
      const results = new ResultStore();
      results.put("a", 1, { bytes: filled(20_000, 1), refs: [] });
      const file = await open();
      const spilling = results.spill(file, 1);
      results.delete("a", 1);
      assertEquals([await spilling, results.spilledBytes, file.length], [0, 0, 0]);
      await file.close();
    });
  });

  describe("a host whose memory is nearly full", () => {
    function setUp(folders: readonly string[]) {
      const results = new ResultStore();
      const clock = new FakeClock();
      const short: string[] = [];
      let other = 0;
      const spilling = new Spilling({
        results,
        limit: 100 * MIB,
        folders,
        clock,
        collect() {},
        onShort: (largest) => short.push(largest),
        resident: () => other + results.bytes - results.spilledBytes,
      });
      for (const [index, key] of ["a", "b", "c", "d"].entries()) {
        results.put(key, 1, { bytes: filled(10 * MIB, index), refs: [] });
      }
      /** Time passes, so much at least, and what takes time beside, as the disk does, comes to its end. */
      const pass = async (milliseconds: number) => {
        const end = clock.now() + milliseconds;
        for (let idle = 0; clock.now() < end || idle < 10;) {
          clock.advance(clock.now() < end ? Math.min(50, end - clock.now()) : 0);
          await new Promise((resolve) => setTimeout(resolve, 0));
          idle = spilling.relieving ? 0 : idle + 1;
          if (spilling.relieving) clock.advance(1);
        }
      };
      const close = async () => {
        await pass(0);
        await spilling.close();
      };
      return { results, close, short, pass, use: (bytes: number) => other = bytes };
    }

    it("puts results into a file above 80 % of its limit, until it is below 70 %", async () => {
      const { results, close, short, pass, use } = setUp([folder]);
      use(39 * MIB);
      await pass(200);
      assertEquals([results.spilledBytes, short], [0, []]);
      use(41 * MIB);
      await pass(200);
      assertEquals([results.spilledBytes / MIB, short], [20, ["a (10.0 MiB), b (10.0 MiB), c (10.0 MiB)"]]);
      await close();
    });

    it("is brought below 60 % where it would else get no tasks for ever", async () => {
      const { results, close, short, pass, use } = setUp([folder]);
      use(25 * MIB);
      await pass(400);
      assertEquals(results.spilledBytes, 0);
      await pass(800);
      assertEquals([results.spilledBytes / MIB, short], [10, []]);
      await close();
    });

    it("goes on without where nothing may be written", async () => {
      const { results, close, pass, use } = setUp([]);
      use(60 * MIB);
      await pass(200);
      await pass(200);
      assertEquals(results.spilledBytes, 0);
      await close();
    });

    it("tries again later where the folder is not there", async () => {
      await assertRejects(() => SpillFile.open([`${folder}/missing`]));
      const { results, close, pass, use } = setUp([`${folder}/missing`]);
      use(60 * MIB);
      await pass(200);
      assertEquals(results.spilledBytes, 0);
      await Deno.mkdir(`${folder}/missing`);
      await pass(30_000);
      assertEquals(results.spilledBytes / MIB, 30);
      await close();
    });
  });
});
