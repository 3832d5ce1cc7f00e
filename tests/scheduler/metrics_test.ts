import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { encodeBody } from "../../protocol/mod.ts";
import { metricsKeyOf } from "../../protocol/metrics_key.ts";
import { noCounters } from "../../protocol/report.ts";
import { schedulerMetrics } from "../../scheduler/metrics.ts";
import { serveScheduler } from "../../scheduler/mod.ts";
import { HostCounters } from "../../worker/host_counters.ts";
import { answerScrape, hostMetrics } from "../../worker/metrics.ts";
import { MemoryScheduler, settle } from "./peers.ts";

const TOKEN = "a-token-for-this-test-alone";

async function scheduler(): Promise<MemoryScheduler> {
  const memory = new MemoryScheduler();
  const { host } = await memory.worker("a");
  const add = {
    ...noCounters("add"),
    calls: 10,
    errors: 1,
    inFlight: 2,
    bytesIn: 100,
    runningTime: 12,
    running: [41, 6, 45, 2],
    queueing: [0, 10],
  };
  const classes = [{ className: "Counter", actors: 3, calls: 10, errors: 1, methods: [add] }];
  host.send({
    op: "report",
    body: encodeBody({ isolates: 1, classes, tasks: [{ ...noCounters("square"), calls: 4 }] }),
  });
  await settle();
  return memory;
}

describe("metrics of a scheduler", () => {
  it("have classes and methods as labels, never keys, and histograms that add up", async () => {
    const memory = await scheduler();
    memory.client().submit("Counter-a-key");
    await settle();
    const families = schedulerMetrics(memory.server);
    const find = (name: string) => families.find((family) => family.name === name)!.values;
    assertEquals(find("troupe_calls_total"), [{ labels: { class: "Counter", method: "add" }, value: 10 }]);
    assertEquals(find("troupe_call_errors_total")[0]?.value, 1);
    assertEquals(find("troupe_actors"), [{ labels: { class: "Counter" }, value: 3 }]);
    assertEquals(find("troupe_tasks_total"), [{ labels: { function: "square" }, value: 4 }]);
    const times = find("troupe_call_duration_seconds");
    const buckets = times.filter(({ metricName }) => metricName!.endsWith("_bucket"));
    const counts = buckets.map(({ value }) => value);
    assertEquals(counts, counts.toSorted((one, other) => one - other));
    assertEquals([counts[0], counts.at(-1), buckets.at(-1)?.labels["le"]], [0, 8, "+Inf"]);
    assertEquals(times.find(({ metricName }) => metricName!.endsWith("_sum"))?.value, 0.012);
    const labels = new Set(families.flatMap(({ values }) => values.flatMap(({ labels }) => Object.keys(labels))));
    assertEquals([...labels].sort(), [
      "class",
      "direction",
      "function",
      "le",
      "message",
      "method",
      "state",
      "status",
      "worker",
    ]);
    assertEquals(JSON.stringify(families).includes("Counter-a-key"), false);
    memory.close();
  });

  it("are given for the token or the key that is made from it, in the format of Prometheus", async () => {
    await using running = await serveScheduler({ port: 0, token: TOKEN });
    const url = new URL("/metrics", running.dashboardLink);
    const ask = async (secret?: string) => {
      const response = await fetch(url, secret ? { headers: { authorization: `Bearer ${secret}` } } : {});
      return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
    };
    const key = await metricsKeyOf(TOKEN);
    assertEquals([(await ask()).status, (await ask("wrong")).status, (await ask(TOKEN)).status], [401, 401, 200]);
    const { text, type } = await ask(key);
    assertMatch(type!, /^text\/plain; version=0\.0\.4/);
    assertStringIncludes(text, 'troupe_workers{status="running"} 0\n');
    assertStringIncludes(text, "# TYPE troupe_call_duration_seconds histogram");
    // The key is good for nothing else.
    for (const path of ["/api/v1/identity", "/api/v1/logs"]) {
      const response = await fetch(new URL(path, url), { headers: { authorization: `Bearer ${key}` } });
      await response.body?.cancel();
      assertEquals(response.status, 401);
    }
  });
});

describe("metrics of a host", () => {
  it("are given for the key that is made from the token, which no host knows", async () => {
    const parts = { counters: new HostCounters(), isolates: () => 2, resultBytes: () => 7 };
    const key = await metricsKeyOf(TOKEN);
    const ask = (secret: string) => {
      const headers = { authorization: `Bearer ${secret}` };
      return answerScrape(new Request("http://127.0.0.1/metrics", { headers }), key, parts);
    };
    assertEquals([(await ask(TOKEN)).status, (await ask("")).status, (await ask(`${key}0`)).status], [401, 401, 401]);
    assertStringIncludes(await (await ask(key)).text(), "troupe_isolates 2\n");
    assertEquals(key.includes(TOKEN), false);
  });
});

describe("the dashboard for Grafana", () => {
  it("asks for metrics that there are, by labels that they have", async () => {
    const memory = await scheduler();
    const parts = { counters: new HostCounters(), isolates: () => 0, resultBytes: () => 0 };
    const families = [...schedulerMetrics(memory.server), ...hostMetrics(parts)];
    const known = new Map<string, Set<string>>();
    for (const { name, values } of families) {
      const labels = values.flatMap(({ labels }) => Object.keys(labels));
      known.set(name, (known.get(name) ?? new Set()).union(new Set(labels)));
    }
    const text = await Deno.readTextFile(new URL("../../deploy/grafana.json", import.meta.url));
    const { panels, templating } = JSON.parse(text) as {
      panels: { id: number; targets: { expr: string; legendFormat: string }[] }[];
      templating: { list: { query: string | { query: string } }[] };
    };
    const queries = templating.list.map(({ query }) => typeof query === "string" ? query : query.query);
    const targets = panels.flatMap(({ targets }) => targets);
    assert(targets.length > 15);
    for (const expr of [...targets.map(({ expr }) => expr), ...queries]) {
      for (const [name] of expr.matchAll(/\btroupe_\w+/g)) {
        assert(known.has(name.replace(/_(bucket|sum|count)$/, "")) || known.has(name), `${name} in ${expr}`);
      }
      for (const [, labels] of expr.matchAll(/by \(([^)]+)\)/g)) {
        const [name] = /\btroupe_\w+/.exec(expr)!;
        const has = known.get(name) ?? known.get(name.replace(/_(bucket|sum|count)$/, ""))!;
        for (const label of labels!.split(", ")) assert(has.has(label), `${label} of ${name}`);
      }
    }
    assertEquals(new Set(panels.map(({ id }) => id)).size, panels.length);
    memory.close();
  });
});
