import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createToken, isSameToken, loadToken, TokenError } from "../../scheduler/token.ts";

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function modeOf(path: string): number {
  return Deno.statSync(path).mode! & 0o777;
}

describe("the user's token", () => {
  it("is made at the first start, 256 bits in a file that its user alone can read", async () => {
    await withFolder(async (home) => {
      const token = await loadToken({ home });
      assertMatch(token, /^[0-9a-f]{64}$/);
      assertEquals(modeOf(`${home}/.config/troupe/token`), 0o600);
      assertEquals(modeOf(`${home}/.config/troupe`), 0o700);
      assertEquals([...Deno.readDirSync(`${home}/.config/troupe`)].length, 1);
    });
  });

  it("is the same for all schedulers of the user, also for those that start at once", async () => {
    await withFolder(async (settings) => {
      const tokens = await Promise.all(Array.from({ length: 10 }, () => loadToken({ settings })));
      assertEquals(new Set(tokens).size, 1);
      assertEquals(await loadToken({ settings }), tokens[0]);
    });
  });

  it("is refused from a file that others can read", async () => {
    await withFolder(async (home) => {
      await loadToken({ home });
      await Deno.chmod(`${home}/.config/troupe/token`, 0o644);
      const error = await assertRejects(() => loadToken({ home }), TokenError);
      assertMatch(error.message, /others can read it \(mode 0644\)\. Run chmod 600 on it/);
    });
  });

  it("comes from TROUPE_TOKEN before TROUPE_TOKEN_FILE, before the user's own file", async () => {
    await withFolder(async (home) => {
      const file = `${home}/other`;
      await Deno.writeTextFile(file, "from-file\n", { mode: 0o600 });
      assertEquals(await loadToken({ token: "given", file, home }), "given");
      assertEquals(await loadToken({ file, home }), "from-file");
      assertEquals(await Array.fromAsync(Deno.readDir(home)).then((entries) => entries.length), 1);
    });
  });

  it("that is missing or unusable fails with the ways to give one", async () => {
    await withFolder(async (folder) => {
      for (const sources of [{}, { file: `${folder}/none` }]) {
        const error = await assertRejects(() => loadToken(sources), TokenError);
        assertMatch(error.message, /TROUPE_TOKEN, or the path of a file/);
      }
      await assertRejects(() => loadToken({ token: "two words" }), TokenError, "without spaces");
    });
  });
});

describe("isSameToken", () => {
  it("compares texts of any length", () => {
    const token = createToken();
    assert(isSameToken(token, token));
    for (const other of ["", token.slice(1), `${token}0`, createToken()]) assert(!isSameToken(token, other));
    assertNotEquals(token, createToken());
  });
});
