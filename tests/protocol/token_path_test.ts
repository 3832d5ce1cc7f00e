import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { tokenFilePath } from "../../protocol/mod.ts";

describe("the path of the token file", () => {
  it("lies below ~/.config", () => {
    assertEquals(tokenFilePath({ HOME: "/home/ada" }), "/home/ada/.config/troupe/token");
  });

  it("follows XDG_CONFIG_HOME, unless that is empty", () => {
    assertEquals(tokenFilePath({ HOME: "/home/ada", XDG_CONFIG_HOME: "/etc/ada" }), "/etc/ada/troupe/token");
    assertEquals(tokenFilePath({ XDG_CONFIG_HOME: "/etc/ada" }), "/etc/ada/troupe/token");
    assertEquals(tokenFilePath({ HOME: "/home/ada", XDG_CONFIG_HOME: "" }), "/home/ada/.config/troupe/token");
  });

  it("is none where there is no home", () => {
    assertEquals(tokenFilePath({}), undefined);
    assertEquals(tokenFilePath({ HOME: "" }), undefined);
  });
});
