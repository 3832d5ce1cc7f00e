import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { isSupportedVersion } from "../../tools/check_version.ts";

describe("isSupportedVersion()", () => {
  it("accepts Deno from 2.9.0 up to 3, release candidates included", () => {
    for (const version of ["2.9.0", "2.9.6", "2.10.0", "2.10.0-rc.1", "2.31.4"]) {
      assertEquals(isSupportedVersion(version), true, version);
    }
  });

  it("refuses what is older or newer", () => {
    for (const version of ["1.46.3", "2.0.0", "2.8.9", "3.0.0", "12.9.0"]) {
      assertEquals(isSupportedVersion(version), false, version);
    }
  });
});
