import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { HomePermissions } from "../../protocol/mod.ts";
import { narrowPermissions, reachesAll, webWorkerPermissions } from "../../worker/home_permissions.ts";

const HOST = [
  "--allow-net",
  "--allow-read",
  "--deny-read=/home/me/.config/troupe",
  "--allow-env",
  "--deny-env=TROUPE_TOKEN",
  "--allow-import=127.0.0.1:8786",
  "--allow-write=/data,/var/x",
];

const grants = (permissions: HomePermissions) => ({ permissions, net: ["127.0.0.1:0"], read: ["/app/counter.ts"] });
const narrow = (permissions: HomePermissions) => narrowPermissions(HOST, grants(permissions));

describe("what a home of its own may do", () => {
  it("is what its host may, unless its user says otherwise", () => {
    assertEquals(narrow("inherit"), HOST);
    assertEquals(webWorkerPermissions(grants("inherit")), undefined);
  });

  it("is nothing but its own server, its own code and what its worker may import, where nothing is granted", () => {
    assertEquals(narrow("none"), [
      "--allow-net=127.0.0.1:0",
      "--allow-read=/app/counter.ts",
      "--deny-read=/home/me/.config/troupe",
      "--allow-import=127.0.0.1:8786",
    ]);
    assertEquals(webWorkerPermissions(grants("none")), {
      net: ["127.0.0.1:0"],
      read: ["/app/counter.ts"],
      env: false,
      import: "inherit",
      write: false,
      run: false,
      ffi: false,
      sys: false,
    });
  });

  it("is what is granted by name, with what is refused to its host", () => {
    assertEquals(
      narrow({ net: ["api.example:443"], env: true, write: ["/data/mine"], import: false, read: "inherit" }),
      [
        "--allow-net=api.example:443,127.0.0.1:0",
        "--allow-read",
        "--deny-read=/home/me/.config/troupe",
        "--allow-env",
        "--deny-env=TROUPE_TOKEN",
        "--deny-import",
        "--allow-write=/data/mine",
      ],
    );
  });

  it("is never more than its host may", () => {
    for (
      const permissions of [
        { run: true },
        { run: ["git"] },
        { write: true },
        { write: ["/etc"] },
        { write: ["/database"] },
        { write: ["/data/../etc"] },
      ]
    ) {
      assertThrows(() => narrow(permissions), TypeError, "Start the worker with --allow");
    }
    assertThrows(() => narrow({ write: ["/data/a,/etc"] }), TypeError, "it holds a comma");
  });

  it("names the flag by which a worker gives more", () => {
    assertThrows(() => narrow({ run: ["git"] }), TypeError, "Cannot grant run=git: the hosts of this worker do not");
    assertThrows(() => narrow({ sys: true }), TypeError, "with --allow sys");
  });

  it("decides whether it dials by itself", () => {
    const answers = (["inherit", "none", { net: true }, { net: "inherit" }, { net: ["a:1"] }, {}] as const)
      .map((permissions) => reachesAll(grants(permissions as HomePermissions)));
    assertEquals(answers, [true, false, true, true, false, false]);
  });
});
