import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { parseArgs } from "node:util";
import { helpText, optionsFromEnvironment, parseCommand, UsageError } from "../../worker/options.ts";
import { resolveOptions } from "../../worker/settings.ts";

function parse(args: string[], environment: Record<string, string> = {}) {
  return parseCommand(args, (name) => environment[name], parseArgs);
}

function refusal(args: string[], environment: Record<string, string> = {}): UsageError {
  return assertThrows(() => parse(args, environment), UsageError);
}

describe("the command line of a worker", () => {
  it("leaves everything open where nothing is said", () => {
    const { options, workers, child, help } = parse([]);
    assertEquals(Object.values(options).filter((value) => value !== undefined), []);
    assertEquals({ workers, child, help }, { workers: 1, child: false, help: false });
  });

  it("reads every flag", () => {
    const { options, workers, child } = parse([
      "ws://scheduler:8786",
      ..."--name east --host 10.0.0.5 --port 9000 --contact-address worker.example --isolates 3 --nthreads 2".split(
        " ",
      ),
      ..."--nworkers 4 --memory-limit 2GiB --single-port --no-nanny --death-timeout 5m --config app/deno.json".split(
        " ",
      ),
      ..."--tls-ca ca.pem --insecure-plaintext --child".split(" "),
      "--resources=GPU=2 MEM=10e9",
      "--allow-modules=https://one.example/a/, https://two.example/",
      "--allow=write=/data run=git",
      "--deny=env",
    ]);
    assertEquals(options, {
      scheduler: "ws://scheduler:8786",
      name: "east",
      host: "10.0.0.5",
      port: 9000,
      contactAddress: "worker.example",
      resources: { GPU: 2, MEM: 10e9 },
      isolates: 3,
      threads: 2,
      memoryLimit: 2 * 2 ** 30,
      allowModules: ["https://one.example/a/", "https://two.example/"],
      singlePort: true,
      nanny: false,
      deathTimeout: 300_000,
      config: "app/deno.json",
      allow: "write=/data run=git",
      deny: "env",
      tlsCa: "ca.pem",
      insecurePlaintext: true,
    });
    assertEquals({ workers, child }, { workers: 4, child: true });
  });

  it("puts a flag over its variable, and a variable over the default", () => {
    const environment = { TROUPE_NAME: "from-variable", TROUPE_MEMORY_LIMIT: "1MB", TROUPE_SCHEDULER: "ws://there:1" };
    assertEquals(parse([], environment).options.name, "from-variable");
    assertEquals(parse([], environment).options.memoryLimit, 1_000_000);
    assertEquals(parse([], environment).options.scheduler, "ws://there:1");
    assertEquals(parse(["ws://here:2", "--name", "from-flag"], environment).options.name, "from-flag");
    assertEquals(parse(["ws://here:2"], environment).options.scheduler, "ws://here:2");
  });

  it("reads a variable that turns something on or off", () => {
    assertEquals(optionsFromEnvironment((name) => name === "TROUPE_NO_NANNY" ? "1" : undefined).nanny, false);
    assertEquals(optionsFromEnvironment((name) => name === "TROUPE_NO_NANNY" ? "false" : undefined).nanny, true);
  });

  it("refuses in one line what it does not understand", () => {
    for (
      const [args, expected] of [
        [["--colour", "red"], "--colour"],
        [["--port", "abc"], 'Cannot use --port "abc": expected a whole number from 0 to 65535'],
        [["--port", "70000"], "expected a whole number from 0 to 65535"],
        [["--memory-limit", "much"], "expected a size such as 2GiB"],
        [["--resources", "GPU"], 'expected amounts such as "GPU=2 MEM=10e9"'],
        [["--death-timeout", "soon"], "expected a time such as 60s"],
        [["--name", "a b"], "expected 1 to 64 letters"],
        [["ws://one", "ws://two"], "give one address"],
        [["--token", "secret"], "--token"],
      ] as const
    ) {
      const error = refusal([...args]);
      assertStringIncludes(error.message, expected);
      assertEquals(error.message.includes("\n"), false);
      assertEquals(error.exitCode, 64);
    }
  });

  it("names the variable that is wrong", () => {
    assertStringIncludes(refusal([], { TROUPE_ISOLATES: "many" }).message, 'Cannot use TROUPE_ISOLATES "many"');
  });

  it("never repeats a token that stands where none belongs", () => {
    assertEquals(refusal(["--token=very-secret"]).message.includes("very-secret"), false);
  });

  it("helps with every flag", () => {
    for (const name of ["--resources", "--single-port", "--death-timeout", "TROUPE_TOKEN_FILE"]) {
      assertStringIncludes(helpText(), name);
    }
  });
});

describe("a worker's options", () => {
  it("have defaults", () => {
    const settings = resolveOptions({ token: "t" });
    assertEquals(settings.scheduler, "ws://127.0.0.1:8786/ws");
    assertEquals(settings.hostname, "127.0.0.1");
    assertEquals(settings.hello.isolates, navigator.hardwareConcurrency);
    assertEquals(settings.deathTimeout, Infinity);
  });

  it("do not let the world in without a word about it", () => {
    const error = assertThrows(() => resolveOptions({ token: "t", host: "0.0.0.0" }), UsageError);
    assertEquals(error.exitCode, 78);
    assertStringIncludes(error.message, "--insecure-plaintext");
    const settings = resolveOptions({
      token: "t",
      host: "0.0.0.0",
      insecurePlaintext: true,
      contactAddress: "me.example",
    });
    assertEquals(settings.contact, "me.example");
  });

  it("are refused where they are unknown or wrong, before anything starts", () => {
    for (
      const [options, message] of [
        [{ resource: {} }, "(did you mean resources?)"],
        [{ resources: { GPU: "1" } }, "resources has to be"],
        [{ threads: 1.5 }, "threads has to be"],
        [{ memoryLimit: -1 }, "memoryLimit has to be"],
        [{ allowModules: "https://example.com/" }, "allowModules has to be"],
        [{ deathTimeout: "60s" }, "deathTimeout has to be"],
      ] as const
    ) assertThrows(() => resolveOptions(options as never), TypeError, message);
  });

  it("refuse a configuration that is not there, without which no host could start", () => {
    assertThrows(() => resolveOptions({ token: "t", config: "no/deno.json" }), UsageError, "there is no such file");
  });

  it("take a port in the contact address with a single port only", () => {
    assertThrows(() => resolveOptions({ token: "t", contactAddress: "me.example:9000" }), UsageError, "--single-port");
    assertEquals(
      resolveOptions({ token: "t", contactAddress: "me.example:9000", singlePort: true }).contact,
      "me.example:9000",
    );
  });

  it("refuse an address, a permission and a prefix of modules that is none", () => {
    assertThrows(
      () => resolveOptions({ token: "t", scheduler: "ftp://there" }),
      UsageError,
      "expected a ws: or wss: address",
    );
    assertThrows(() => resolveOptions({ token: "t", allow: "everything" }), UsageError, "the permissions are net");
    assertThrows(() => resolveOptions({ token: "t", allowModules: ["::"] }), UsageError, 'begin with "::"');
  });
});
