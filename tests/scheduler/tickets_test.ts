import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { encodeClaims, formatTicket, platformRandom, TICKET_LIFE } from "../../protocol/mod.ts";
import { Tickets, TicketVerifier } from "../../scheduler/tickets.ts";
import { claimsOf } from "./peers.ts";

function createTickets(): { tickets: Tickets; time: { now: number } } {
  const time = { now: 1_000_000 };
  return { tickets: new Tickets({ now: () => time.now, random: platformRandom }), time };
}

describe("a ticket", () => {
  it("is good once, and says what was signed", () => {
    const { tickets } = createTickets();
    const ticket = tickets.issue(claimsOf({ role: "host", worker: "w", host: "h" }));
    const claims = tickets.redeem(ticket);
    assertEquals([claims?.role, claims?.worker, claims?.host, claims?.expires], [
      "host",
      "w",
      "h",
      1_000_000 + TICKET_LIFE,
    ]);
    assertEquals(tickets.redeem(ticket), undefined);
  });

  it("is void after thirty seconds", () => {
    const { tickets, time } = createTickets();
    const [one, other] = [tickets.issue(claimsOf({})), tickets.issue(claimsOf({}))];
    time.now += 30_000;
    assert(tickets.redeem(one));
    time.now += 1;
    assertEquals(tickets.redeem(other), undefined);
  });

  it("of another scheduler, or with one bit changed, is none", () => {
    const { tickets } = createTickets();
    assertEquals(tickets.redeem(createTickets().tickets.issue(claimsOf({}))), undefined);
    const ticket = tickets.issue(claimsOf({ worker: "a" }));
    const other = tickets.issue(claimsOf({ worker: "b" }));
    const mixed = `${other.split(".")[0]}.${ticket.split(".")[1]}`;
    for (const wrong of [mixed, "", ".", ticket.split(".")[0]!, `${ticket}.x`, ticket.slice(0, -2), "£.£"]) {
      assertEquals(tickets.redeem(wrong), undefined, wrong);
    }
    assert(tickets.redeem(ticket));
  });

  it("can be checked by whoever has the public key alone, with the platform's own cryptography too", async () => {
    const { tickets, time } = createTickets();
    const verifier = new TicketVerifier(tickets.publicKey, () => time.now);
    const ticket = tickets.issue(claimsOf({ role: "caller", home: "main" }));
    assertEquals(verifier.redeem(ticket)?.home, "main");
    const key = await crypto.subtle.importKey("raw", tickets.publicKey, "Ed25519", false, ["verify"]);
    const [claims, signature] = ticket.split(".").map((part) => {
      return Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    });
    assert(await crypto.subtle.verify("Ed25519", key, signature!, claims!));
  });

  it("cannot be made with another key pair", async () => {
    const { tickets } = createTickets();
    const pair = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]) as CryptoKeyPair;
    const claims = encodeClaims({ ...claimsOf({}), expires: 2_000_000, nonce: "n" });
    const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, claims));
    assertEquals(tickets.redeem(formatTicket(claims, signature)), undefined);
  });

  it("is forgotten when it has expired", () => {
    const { tickets, time } = createTickets();
    const verifier = new TicketVerifier(tickets.publicKey, () => time.now);
    for (let index = 0; index < 50; index++) verifier.redeem(tickets.issue(claimsOf({})));
    assertEquals(verifier.remembered, 50);
    time.now += 30_001;
    verifier.redeem("");
    assertEquals(verifier.remembered, 0);
  });
});
