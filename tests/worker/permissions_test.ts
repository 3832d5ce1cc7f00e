import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { describePermissions, hostEnvironment, hostPermissions } from "../../worker/permissions.ts";

const BASE = {
  scheduler: "ws://127.0.0.1:8786/ws",
  allowModules: ["http://127.0.0.1:8786", "file:", "data:"],
  allow: "",
  deny: "",
  tokenPaths: ["/home/me/.config/troupe"],
  origin: "file:///opt/troupe/worker/nanny.ts",
};

const ENVIRONMENT_FLAGS = ["--allow-env", "--deny-env=TROUPE_TOKEN,TROUPE_TOKEN_FILE,DENO_AUTH_TOKENS"];
const IMPORT_FLAG = "--allow-import=127.0.0.1:8786";

describe("the permissions of a host", () => {
  it("are net, read without the token, env without secrets, and imports from the scheduler", () => {
    assertEquals(hostPermissions(BASE), [
      "--allow-net",
      "--allow-read",
      "--deny-read=/home/me/.config/troupe",
      ...ENVIRONMENT_FLAGS,
      IMPORT_FLAG,
    ]);
  });

  it("let modules come from where Troupe itself came from, and from what the user allows", () => {
    const flags = hostPermissions({
      ...BASE,
      scheduler: "wss://scheduler.example/ws",
      origin: "https://cdn.example/troupe/worker/nanny.ts",
      allowModules: ["https://scheduler.example", "https://actors.example:8443/v1/", "http://plain.example", "file:"],
    });
    assertEquals(
      flags.at(-1),
      "--allow-import=scheduler.example:443,cdn.example:443,actors.example:8443,plain.example:80",
    );
  });

  it("grow by what the user allows", () => {
    const flags = hostPermissions({ ...BASE, allow: "write=/data,/tmp run=git sys import=jsr.io:443 net=example.com" });
    assertEquals(flags, [
      "--allow-net",
      "--allow-read",
      "--deny-read=/home/me/.config/troupe",
      ...ENVIRONMENT_FLAGS,
      `${IMPORT_FLAG},jsr.io:443`,
      "--allow-write=/data,/tmp",
      "--allow-run=git",
      "--allow-sys",
    ]);
  });

  it("shrink by what the user denies", () => {
    assertEquals(hostPermissions({ ...BASE, deny: "env read=/secret net=10.0.0.1 import" }), [
      "--allow-net",
      "--deny-net=10.0.0.1",
      "--allow-read",
      "--deny-read=/home/me/.config/troupe,/secret",
      "--deny-import",
    ]);
  });

  it("keep what a host needs to read itself", () => {
    assertEquals(hostPermissions({ ...BASE, deny: "read" })[1], "--allow-read=/opt/troupe/");
  });

  it("refuse what is no permission, and what no host can do without", () => {
    assertThrows(
      () => hostPermissions({ ...BASE, allow: "fly" }),
      TypeError,
      'Cannot allow "fly": the permissions are net',
    );
    assertThrows(() => hostPermissions({ ...BASE, deny: "net" }), TypeError, "Cannot deny net");
    assertThrows(() => hostPermissions({ ...BASE, allow: "import" }), TypeError, "name the hosts");
  });

  it("read as a line", () => {
    assertEquals(
      describePermissions(hostPermissions({ ...BASE, allow: "write=/data" })),
      "net, read (not /home/me/.config/troupe), env (not TROUPE_TOKEN,TROUPE_TOKEN_FILE,DENO_AUTH_TOKENS), " +
        "import=127.0.0.1:8786, write=/data",
    );
  });

  it("leave the secrets out of the environment", () => {
    const environment = {
      PATH: "/bin",
      TROUPE_TOKEN: "a",
      TROUPE_TOKEN_FILE: "b",
      DENO_AUTH_TOKENS: "c",
      TROUPE_NAME: "d",
    };
    assertEquals(hostEnvironment(environment), { PATH: "/bin", TROUPE_NAME: "d" });
  });
});
