import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import {
  type ActorManifest,
  type ActorReference,
  decodeActorReference,
  decodeManifest,
  encodeActorReference,
  encodeManifest,
  encodeValue,
  parseActorReference,
  ProtocolError,
  TroupeError,
} from "../../protocol/mod.ts";

const manifest: ActorManifest = {
  className: "Counter",
  methods: { add: "sync", later: "async", each: "generator", tail: "asyncGenerator" },
  attributes: ["n"],
};
const text = fc.string({ unit: "grapheme", maxLength: 30 });
const anyReference: fc.Arbitrary<ActorReference> = fc.record({
  key: text,
  incarnation: text,
  worker: text,
  host: text,
  home: text,
  address: text,
  hostAddress: text,
  tag: fc.uint8Array({ maxLength: 64 }),
  manifest: fc.uint8Array({ maxLength: 64 }),
});

describe("a manifest", () => {
  it("comes back from its bytes", () => assertEquals(toPlain(decodeManifest(encodeManifest(manifest))), manifest));

  it("has equal bytes where it is equal, so that receivers can know it again", () => {
    assertEquals(encodeManifest({ ...manifest }), encodeManifest(manifest));
  });

  it("may have methods of any name", () => {
    const methods = JSON.parse('{ "__proto__": "sync", "then": "async" }');
    assertThrows(() => encodeManifest({ ...manifest, methods }), TroupeError);
    const found = decodeManifest(
      encodeManifest({ ...manifest, methods: JSON.parse('{ "constructor": "sync", "then": "async" }') }),
    );
    assertEquals(Object.keys(found.methods), ["constructor", "then"]);
    assertEquals(found.methods["toString"], undefined);
  });

  it("is none where a method answers in a way that is none", () => {
    const wrong = encodeValue({ ...manifest, methods: { add: "quickly" } }).bytes;
    assertThrows(() => decodeManifest(wrong), ProtocolError, "Cannot read manifest.methods.add: expected");
  });
});

describe("an actor reference", () => {
  it("comes back from its bytes", () => {
    fc.assert(fc.property(anyReference, (reference) => {
      assertEquals(decodeActorReference(encodeActorReference(reference)), reference);
    }));
  });

  it("comes back from a body", () => {
    fc.assert(
      fc.property(anyReference, (reference) => assertEquals(parseActorReference({ ...reference }, "actor"), reference)),
    );
  });

  it("may gain fields at its end, which this version leaves out", () => {
    const [reference] = fc.sample(anyReference, 1);
    const { key, incarnation, worker, host, home, address, hostAddress, tag, manifest } = reference!;
    const longer =
      encodeValue([key, incarnation, worker, host, home, address, hostAddress, tag, manifest, "new"]).bytes;
    assertEquals(decodeActorReference(longer), reference);
  });

  it("is none where a field is missing, of another kind, or the bytes are no list", () => {
    assertThrows(
      () => decodeActorReference(encodeValue(["key"]).bytes),
      ProtocolError,
      "Cannot read actor reference.incarnation",
    );
    assertThrows(
      () => decodeActorReference(encodeValue([1]).bytes),
      ProtocolError,
      "Cannot read actor reference.key: expected a string, found 1",
    );
    assertThrows(() => decodeActorReference(encodeValue({}).bytes), ProtocolError, "expected an array, found Object");
    assertThrows(() => decodeActorReference(Uint8Array.of(0xc1)), ProtocolError);
    assertThrows(
      () => parseActorReference("Counter-1234abcd", "status.actor"),
      ProtocolError,
      "Cannot read status.actor: expected an object",
    );
  });
});

function toPlain({ className, methods, attributes }: ActorManifest): ActorManifest {
  return { className, methods: { ...methods }, attributes };
}
