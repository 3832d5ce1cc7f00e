import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  negotiateVersion,
  OLDEST_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  SUBPROTOCOL,
  TROUPE_VERSION,
} from "../../protocol/mod.ts";
import configuration from "../../deno.json" with { type: "json" };

describe("the version that both sides speak", () => {
  it("is the newest that both know", () => {
    assertEquals(negotiateVersion(OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION), PROTOCOL_VERSION);
    assertEquals(negotiateVersion(0, 1000), PROTOCOL_VERSION);
    assertEquals(negotiateVersion(0, OLDEST_PROTOCOL_VERSION), OLDEST_PROTOCOL_VERSION);
  });

  it("is none where the ranges do not meet, or the other side's is none", () => {
    assertEquals(negotiateVersion(PROTOCOL_VERSION + 1, PROTOCOL_VERSION + 9), undefined);
    assertEquals(negotiateVersion(0, OLDEST_PROTOCOL_VERSION - 1), undefined);
    assertEquals(negotiateVersion(PROTOCOL_VERSION + 1, 0), undefined);
    assertEquals(negotiateVersion(NaN, NaN), undefined);
  });
});

describe("the library's own version", () => {
  it("is that of deno.json", () => assertEquals(TROUPE_VERSION, configuration.version));

  it("is not that of the subprotocol, which is a token", () => assertMatch(SUBPROTOCOL, /^[a-z]+\.\d+$/));
});
