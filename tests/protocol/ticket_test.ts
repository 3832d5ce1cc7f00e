import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import {
  encodeClaims,
  encodeValue,
  formatTicket,
  parseTicket,
  type TicketClaims,
  toBase64Url,
} from "../../protocol/mod.ts";

const signature = new Uint8Array(64).fill(3);
const claims: TicketClaims = {
  role: "caller",
  worker: "worker-1",
  host: "0123456789abcdef",
  home: "shared-1",
  expires: 1_800_000_000_000,
  nonce: "n1",
};

function ticketOf(fields: unknown): string {
  return formatTicket(encodeValue(fields).bytes, signature);
}

describe("a ticket", () => {
  it("gives back its claims, what was signed, and the signature", () => {
    const signed = encodeClaims(claims);
    assertEquals(parseTicket(formatTicket(signed, signature)), { claims, signed, signature });
  });

  it("fits into a WebSocket subprotocol", () => {
    assert(/^[A-Za-z0-9_.-]+$/.test(formatTicket(encodeClaims(claims), signature)));
  });

  it("verifies with Ed25519 over the bytes that were signed", async () => {
    const keys = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]) as CryptoKeyPair;
    const bytes = encodeClaims(claims);
    const real = new Uint8Array(await crypto.subtle.sign("Ed25519", keys.privateKey, bytes));
    const parsed = parseTicket(formatTicket(bytes, real))!;
    assert(await crypto.subtle.verify("Ed25519", keys.publicKey, parsed.signature, parsed.signed));
  });

  it("is none where a claim is missing, of another kind, or one too many", () => {
    const { role, worker, host, home, expires, nonce } = claims;
    const wrong: unknown[] = [
      [role, worker, host, home, expires],
      [role, worker, host, home, expires, nonce, 1],
      ["worker", worker, host, home, expires, nonce],
      [role, 1, host, home, expires, nonce],
      [role, worker, null, home, expires, nonce],
      [role, worker, host, [], expires, nonce],
      [role, worker, host, home, "never", nonce],
      [role, worker, host, home, NaN, nonce],
      [role, worker, host, home, Infinity, nonce],
      [role, worker, host, home, expires, 1n],
      { role },
      "ticket",
    ];
    for (const fields of wrong) assertEquals(parseTicket(ticketOf(fields)), undefined);
  });

  it("is none where its text is another", () => {
    const good = formatTicket(encodeClaims(claims), signature);
    const [head, tail] = good.split(".") as [string, string];
    for (
      const text of [
        "",
        ".",
        head,
        `${good}.`,
        `${good}.x`,
        `${head}.`,
        `.${tail}`,
        `${head}.${tail}A`,
        `${head}+.${tail}`,
      ]
    ) {
      assertEquals(parseTicket(text), undefined, text);
    }
    assertEquals(parseTicket(`${toBase64Url(new Uint8Array(5000))}.${tail}`), undefined);
  });

  it("is a ticket or none, and never an error, whatever the text", () => {
    const part = fc.uint8Array({ maxLength: 80 }).map(toBase64Url);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.tuple(part, fc.constant(toBase64Url(signature))).map((p) => p.join(".")),
        ),
        (text) => {
          const parsed = parseTicket(text);
          assert(parsed === undefined || typeof parsed.claims.nonce === "string");
        },
      ),
    );
  });
});
