import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { startCallSpan, startServedSpan } from "../../client/tracing.ts";

const PROGRAM = new URL("../fixtures/traced_program.ts", import.meta.url);

/** One span, as the console exporter writes it. */
interface Span {
  readonly name: string;
  readonly trace: string;
  readonly id: string;
  readonly kind: string;
  readonly parent: string | undefined;
  /** Everything that is said of it. */
  readonly text: string;
}

async function run(env: Record<string, string>): Promise<{ out: string; spans: Span[] }> {
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--unstable-worker-options", "--no-lock", PROGRAM.href],
    env: { ...env, NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(stderr);
  assert(success, text);
  const spans = text.split(/^(?=SPAN |LOG |METRIC )/m).flatMap((part): Span[] => {
    const [, name, trace, id, kind] = /^SPAN (\S+) \[([0-9a-f]{32})\/([0-9a-f]{16})\] (\w+)/.exec(part) ?? [];
    return name
      ? [{ name, trace: trace!, id: id!, kind: kind!, parent: /parent: (\w+)/.exec(part)?.[1], text: part }]
      : [];
  });
  return { out: new TextDecoder().decode(stdout), spans };
}

describe("traces", () => {
  it("go from the caller's span over the wire into the method, and on to the actors that it calls", async () => {
    const { out, spans } = await run({ OTEL_DENO: "true", OTEL_EXPORTER_OTLP_PROTOCOL: "console" });
    assertMatch(out, /^2$/m);
    const find = (name: string, kind: string, parent?: string) => {
      const found = spans.find((span) =>
        span.name === name && span.kind === kind && (!parent || span.parent === parent)
      );
      assert(
        found,
        `no ${kind} span ${name} below ${parent} among ${spans.map(({ name, kind }) => `${kind} ${name}`)}`,
      );
      return found;
    };
    const request = find("request", "Internal");
    const calling = find("Front.relay", "Client", request.id);
    const serving = find("Front.relay", "Server", calling.id);
    const inner = find("Back.add", "Client", serving.id);
    const last = find("Back.add", "Server", inner.id);
    assertEquals(new Set([request, calling, serving, inner, last].map(({ trace }) => trace)).size, 1);
    assertMatch(last.text, /rpc\.service: Back/);
    assertMatch(last.text, /added: 1/);
    // One that waited for a value says how long.
    const waited = spans.find(({ name, kind, text }) => {
      return name === "Back.add" && kind === "Server" &&
        Number(/troupe\.mailbox\.wait_ms: ([\d.]+)/.exec(text)?.[1]) > 30;
    });
    assert(waited, "no span says that its call waited in the mailbox");
    for (const kind of ["Client", "Server"]) {
      const failed = find("Back.fail", kind);
      assertMatch(failed.text, /Error \(on purpose\)/);
      assertMatch(failed.text, /exception\.message: on purpose/);
    }
  });

  it("are none where nobody traces: no message is longer for it", () => {
    const names = { className: "Counter", method: "add", key: "Counter-1" };
    assertEquals(startCallSpan(names), undefined);
    assertEquals(startServedSpan(names, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", 0), undefined);
  });
});
