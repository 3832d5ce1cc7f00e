import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type ActorReference,
  callerHello,
  clientHello,
  clientWelcome,
  createdBody,
  decodeBody,
  encodeBody,
  encodeManifest,
  encodeValue,
  heartbeatBody,
  hostHello,
  plainWelcome,
  ProtocolError,
  REQUESTS,
  statusBody,
  submitBody,
  workerHello,
  workerWelcome,
} from "../../protocol/mod.ts";
import { hostReport, noCounters } from "../../protocol/report.ts";
import type { Shape } from "../../protocol/shape.ts";

/** A host that keeps a result. */
const HOLDER = { worker: "w", host: "h", home: "inline", address: "ws://127.0.0.1:1/ws" };

const versions = { troupe: "0.1.0", runtime: "deno 2.9.6" };
const actor: ActorReference = {
  key: "Counter-1234abcd",
  incarnation: "0011223344556677",
  worker: "w1",
  host: "8899aabbccddeeff",
  home: "shared-1",
  address: "ws://127.0.0.1:4000/ws",
  hostAddress: "ws://127.0.0.1:4001/ws",
  tag: new Uint8Array(32).fill(1),
  manifest: encodeManifest({ className: "Counter", methods: { add: "sync" }, attributes: ["n"] }).slice(),
};
const target = { module: "file:///counter.ts", export: "Counter", name: "Counter", byValue: false, version: undefined };
const submit = {
  target,
  actor: true,
  home: "shared",
  homeFixed: false,
  workers: ["w1"],
  allowOtherWorkers: true,
  resources: { GPU: 0.5 },
  priority: -1,
  retries: 2,
  timeout: 1000,
  detached: true,
  pure: true,
  permissions: { net: ["example.com"], read: false, env: "inherit" },
  memoryLimit: 1000,
  onStuck: "kill-host",
  maxPending: 5,
  concurrency: 1,
};
const status = {
  status: "finished",
  reason: "r",
  actor,
  ticket: "t",
  value: Uint8Array.of(1),
  refs: ["r"],
  size: 1,
  holders: [HOLDER],
  error: Uint8Array.of(1),
  executed: "no",
  worker: "alice",
  detail: "It kept 1.0 GiB of results",
};

/** Every body, complete, and names in it that a reader may not do without. */
const bodies: Record<string, [Shape<unknown>, Record<string, unknown>, string[]]> = {
  clientHello: [clientHello, versions, ["troupe", "runtime"]],
  clientWelcome: [
    clientWelcome,
    { ...versions, scheduler: "s", client: "c", sessionNumber: 3, dashboard: "http://x", pingInterval: 1000 },
    ["sessionNumber", "pingInterval"],
  ],
  workerHello: [
    workerHello,
    { ...versions, name: "", pid: 7, machine: "m", resources: { GPU: 2 }, isolates: 2, threads: 2, memoryLimit: 0 },
    ["resources", "memoryLimit"],
  ],
  workerWelcome: [
    workerWelcome,
    {
      ...versions,
      scheduler: "s",
      worker: "w1",
      name: "alice",
      heartbeatInterval: 1000,
      publicKey: new Uint8Array(32),
      loopback: true,
    },
    ["publicKey", "loopback"],
  ],
  hostHello: [hostHello, { ...versions, pid: 0, address: "" }, ["pid", "address"]],
  plainWelcome: [plainWelcome, versions, ["troupe"]],
  callerHello: [callerHello, versions, ["runtime"]],
  submitBody: [submitBody, submit, ["target", "actor", "home", "homeFixed"]],
  createdBody: [
    createdBody,
    { home: "shared-1", homeKind: "shared", address: "", tag: new Uint8Array(32), manifest: actor.manifest },
    ["homeKind", "tag"],
  ],
  statusBody: [statusBody, status, ["status"]],
  heartbeatBody: [heartbeatBody, { host: "", memory: 1, lag: 0.5 }, ["host", "memory", "lag"]],
  hostReport: [
    hostReport,
    {
      isolates: 1,
      classes: [{
        className: "Counter",
        actors: 1,
        calls: 2,
        errors: 0,
        methods: [{ ...noCounters("add"), calls: 2, running: [30, 2], queueing: [0, 2], runningTime: 0.25 }],
      }],
      tasks: [noCounters("square")],
      results: 3,
      resultBytes: 4096,
      spilledBytes: 1024,
      unhandled: 0,
    },
    ["isolates", "classes"],
  ],
};

for (const [name, [shape, body, required]] of Object.entries(bodies)) {
  describe(name, () => {
    it("comes back from its bytes", () => assertEquals(decodeBody(shape, encodeBody(body), name), body));

    it("loses names that this version does not know", () => {
      assertEquals(decodeBody(shape, encodeBody({ ...body, added: [1] }), name), body);
    });

    for (const field of required) {
      it(`is none without ${field}`, () => {
        const { [field]: _, ...rest } = body;
        assertThrows(() => decodeBody(shape, encodeBody(rest), name), ProtocolError, `Cannot read ${name}.${field}`);
      });
    }

    it("is none where the bytes are another value or none", () => {
      assertThrows(
        () => decodeBody(shape, encodeValue([1]).bytes, name),
        ProtocolError,
        `Cannot read ${name}: expected an object`,
      );
      assertThrows(() => decodeBody(shape, Uint8Array.of(0xc1), name), ProtocolError);
      assertThrows(() => decodeBody(shape, new Uint8Array(), name), ProtocolError);
    });
  });
}

describe("a submit body", () => {
  it("needs no wishes", () => {
    const { target, actor, home, homeFixed } = submit;
    const found = decodeBody(submitBody, encodeBody({ target, actor, home, homeFixed }), "submit");
    assertEquals([found.workers, found.resources, found.priority, found.detached], [
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("may hold a long module, as what is sent by value is one", () => {
    const module = `data:text/typescript,${"x".repeat(100_000)}`;
    const body = { ...submit, target: { ...target, module } };
    assertEquals(decodeBody(submitBody, encodeBody(body), "submit").target.module, module);
  });

  it("is refused with the place of what is wrong", () => {
    const wrong = { ...submit, workers: ["w1", 2] };
    assertThrows(
      () => decodeBody(submitBody, encodeBody(wrong), "submit"),
      ProtocolError,
      "Cannot read submit.workers[1]: expected a string",
    );
    assertThrows(
      () => decodeBody(submitBody, encodeBody({ ...submit, home: "cloud" }), "submit"),
      ProtocolError,
      'expected "inline" or "shared" or "dedicated" or "process", found "cloud"',
    );
    assertThrows(
      () => decodeBody(submitBody, encodeBody({ ...submit, resources: { GPU: NaN } }), "submit"),
      ProtocolError,
      "Cannot read submit.resources.GPU",
    );
  });
});

describe("a status body", () => {
  it("is refused where its actor is none", () => {
    const wrong = { status: "finished", actor: { ...actor, tag: "secret" } };
    assertThrows(
      () => decodeBody(statusBody, encodeBody(wrong), "status"),
      ProtocolError,
      "Cannot read status.actor.tag: expected bytes",
    );
  });
});

describe("requests", () => {
  const samples: { [N in keyof typeof REQUESTS]: [asked: object, answered: object] } = {
    ticket: [{ worker: "w", host: "h", home: "inline" }, { ticket: "t" }],
    getActor: [{ key: "k" }, { actor, ticket: undefined }],
    locate: [{ key: "k" }, { value: undefined, refs: ["r"], size: 2000, holders: [HOLDER] }],
    sync: [{}, {}],
    clientTicket: [{}, { ticket: "t" }],
    actors: [{ class: "Counter", limit: 10 }, { actors: [] }],
    explain: [{ key: "Counter-1" }, { key: "Counter-1", summary: "It runs on a" }],
    info: [{}, { anything: [1] }],
    retireWorkers: [{ workers: ["w"], timeout: 10 }, { workers: ["w"] }],
    leave: [{}, {}],
    restart: [{ timeout: 10 }, {}],
    reloadModules: [{}, {}],
  };
  for (const name of Object.keys(samples) as (keyof typeof samples)[]) {
    it(`of ${name} come back from their bytes, question and answer`, () => {
      const [asked, answered] = samples[name];
      assertEquals<unknown>(decodeBody<unknown>(REQUESTS[name].asked, encodeBody(asked), name), asked);
      assertEquals<unknown>(decodeBody<unknown>(REQUESTS[name].answered, encodeBody(answered), name), answered);
    });
  }
});
