/**
 * `docs/protocol.md` against the code: what it says of numbers, names and bytes has to be so.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ARRAY_KINDS, EXTENSION } from "../../protocol/extensions.ts";
import {
  callerHello,
  clientHello,
  clientWelcome,
  CloseCode,
  decodeBody,
  decodeError,
  decodeManifest,
  decodeValue,
  DEFAULT_LIMITS,
  encodeMessage,
  encodeValue,
  errorClassOf,
  HOME_KINDS,
  KEY_STATUSES,
  LOSS_REASONS,
  MAXIMUM_TEXTS,
  type Message,
  type MessageOf,
  MESSAGES,
  plainWelcome,
  PROTOCOL_VERSION,
  readFrame,
  REQUESTS,
  statusBody,
  submitBody,
  SUBPROTOCOL,
  TICKET_LIFE,
  TICKET_SUBPROTOCOL,
  TROUPE_VERSION,
  WEBSOCKET_PATH,
} from "../../protocol/mod.ts";

const page = await Deno.readTextFile(new URL("../../docs/protocol.md", import.meta.url));

/** The cells of every row of every table. */
const rows = page.split("\n").filter((line) => line.startsWith("|")).map((line) =>
  line.slice(1, -1).split("|").map((cell) => cell.trim())
);

/** The row whose first cells are these. */
function findRow(...cells: readonly string[]): readonly string[] {
  const found = rows.find((row) => cells.every((cell, index) => row[index] === cell));
  assert(found !== undefined, `docs/protocol.md has no row | ${cells.join(" | ")} |`);
  return found;
}

/** The text of each fenced block of a language. */
function blocks(language: string): string[] {
  return [...page.matchAll(new RegExp(`\`\`\`${language}\\n([^]*?)\`\`\``, "g"))].map(([, text]) => text!);
}

/** What `value(…)` and `bytes("…")` mean in an example. */
function evaluate(expression: string): unknown {
  const value = (one: unknown) => encodeValue(one).bytes.slice();
  return new Function("value", "bytes", `return (${expression});`)(value, fromHex);
}

function fromHex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/[0-9a-f]{2}/g) ?? [], (digits) => parseInt(digits, 16));
}

/** A frame of the page and the messages that it is said to hold, with every field that they leave out. */
function readExample(block: string): { frame: Uint8Array<ArrayBuffer>; messages: Message[] } {
  const [hex = "", said = ""] = block.split("---\n");
  const messages = said.split("\n").filter(Boolean).map((line) => {
    const message = evaluate(line) as Message;
    const fields = Object.fromEntries(Object.keys(MESSAGES[message.op][1]).map((name) => [name, undefined]));
    return { ...fields, ...message } as Message;
  });
  return { frame: fromHex(hex), messages };
}

const examples = blocks("frame").map(readExample);

/** Every example message of one kind. */
function examplesOf<O extends Message["op"]>(op: O): MessageOf<O>[] {
  const found = examples.flatMap(({ messages }) => messages).filter((message) => message.op === op);
  assert(found.length > 0, `docs/protocol.md has no example of ${op}`);
  return found as unknown as MessageOf<O>[];
}

describe("docs/protocol.md", () => {
  it("has every message with its number and its fields in order", () => {
    for (const [op, [number, fields]] of Object.entries(MESSAGES)) {
      const kinds = Object.entries(fields).map(([name, kind]) => `${name} ${kind}`).join(", ");
      findRow(String(number), `\`${op}\``, kinds);
    }
  });

  it("has every extension type with its number, and every kind of typed array", () => {
    for (const [name, number] of Object.entries(EXTENSION)) {
      findRow(String(number), `\`${name.toLowerCase().replaceAll("_", " ")}\``);
    }
    const flowing = page.replace(/\s+/g, " ");
    for (const [index, { name }] of ARRAY_KINDS.entries()) assertStringIncludes(flowing, ` ${index} \`${name}\``);
  });

  it("has every close code, every limit with its default, and every error code with what it says", async () => {
    for (const [name, code] of Object.entries(CloseCode)) findRow(String(code), `\`${name}\``);
    for (const [name, value] of Object.entries(DEFAULT_LIMITS)) findRow(`\`${name}\``, String(value));
    const source = await Deno.readTextFile(new URL("../../protocol/errors.ts", import.meta.url));
    const codes = [...source.matchAll(/^ {2}([A-Z_]+): says\("(\w+)", (true|false)\)/gm)];
    assert(codes.length > 20, "errors.ts does not look as this test expects");
    for (const [, code = "", executed = "", retryable] of codes) {
      const errorClass = errorClassOf(code);
      assert(errorClass !== undefined, code);
      findRow(`\`${code}\``, `\`${errorClass.name}\``, executed, retryable === "true" ? "yes" : "no");
    }
  });

  it("names every body's fields, every request and every word that they may hold", async () => {
    const source = await Deno.readTextFile(new URL("../../protocol/bodies.ts", import.meta.url));
    const bodies = [...source.matchAll(/^export const (\w+) = object\(\{\n([^]*?)\n\}\);/gm)];
    assert(bodies.length >= 8, "bodies.ts does not look as this test expects");
    for (const [, body, text = ""] of bodies) {
      for (const [, name] of text.matchAll(/^ {2}(\w+): /gm)) {
        assert(page.includes(`\`${name}\``), `docs/protocol.md does not name ${name} of ${body}`);
      }
    }
    for (const name of Object.keys(REQUESTS)) findRow(`\`${name}\``);
    for (const word of [...HOME_KINDS, ...KEY_STATUSES, ...LOSS_REASONS]) assertStringIncludes(page, `\`${word}\``);
  });

  it("states the versions, names and counts of the handshake", () => {
    assertStringIncludes(page, `Protocol version ${PROTOCOL_VERSION}, of Troupe ${TROUPE_VERSION}.`);
    for (const name of [SUBPROTOCOL, `${TICKET_SUBPROTOCOL}<the ticket>`, WEBSOCKET_PATH]) {
      assertStringIncludes(page, `\`${name}\``);
    }
    assertStringIncludes(page, `within ${TICKET_LIFE / 1000} s`);
    assertStringIncludes(page, `at most ${MAXIMUM_TEXTS}`);
  });

  it("shows frames that hold what it says, and nothing else", () => {
    assert(examples.length >= 12);
    for (const { frame, messages } of examples) {
      const read: Message[] = [];
      readFrame(frame, (message) => read.push(message));
      assertEquals(read, messages);
    }
  });

  it("shows frames that are the very bytes that Troupe writes", () => {
    for (const { frame, messages } of examples) {
      const written = messages.length === 0 ? [0xc0] : messages.flatMap((message) => [...encodeMessage(message)]);
      assertEquals([...frame], written);
    }
  });

  it("shows bodies that Troupe accepts", () => {
    for (const { role, body } of examplesOf("hello")) {
      decodeBody(role === "client" ? clientHello : callerHello, body, "hello");
    }
    const welcomes = examplesOf("welcome").map(({ body }) => Object.keys(decodeValue(body) as object).length);
    assertEquals(welcomes, [7, 2]);
    const [toClient, toCaller] = examplesOf("welcome");
    decodeBody(clientWelcome, toClient!.body, "welcome");
    decodeBody(plainWelcome, toCaller!.body, "welcome");
    for (const { body, args } of examplesOf("submit")) {
      decodeBody(submitBody, body, "submit");
      assert(Array.isArray(decodeValue(args)));
    }
    for (const { body } of examplesOf("status")) {
      const { actor } = decodeBody(statusBody, body, "status");
      if (actor) assertEquals(decodeManifest(actor.manifest).className, "Counter");
    }
    for (const { error } of examplesOf("failure")) assertEquals(decodeError(error).name, "RangeError");
  });

  it("shows values with the very bytes that Troupe writes and reads", () => {
    const lines = blocks("value").flatMap((block) => block.trim().split("\n"));
    assert(lines.length >= 10);
    for (const line of lines) {
      const middle = line.indexOf(" = ");
      const bytes = fromHex(line.slice(0, middle));
      const value = evaluate(line.slice(middle + 3));
      assertEquals([...encodeValue(value).bytes], [...bytes], line);
      assertEquals(decodeValue(bytes), value, line);
    }
  });
});
