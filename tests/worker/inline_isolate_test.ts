import { createMemoryTransports } from "../../connection/mod.ts";
import { InlineIsolate } from "../../worker/inline_isolate.ts";
import { guardErrors } from "../../worker/isolate_guard.ts";
import { testIsolateContract } from "../contract/isolate_contract.ts";
import { isolateSettings, NO_SERVICES } from "../helpers/isolates.ts";
import { RawCaller } from "../helpers/raw_caller.ts";

testIsolateContract("inline", {
  start(settings, services = NO_SERVICES) {
    const isolate = new InlineIsolate({ settings: isolateSettings(settings), address: "", services });
    const cleanUp = guardErrors((error) => isolate.reportUnhandled(error));
    return Promise.resolve({
      isolate,
      cleanUp,
      connect() {
        const [here, there] = createMemoryTransports();
        isolate.serve(there);
        return RawCaller.connect(here);
      },
    });
  },
  skipExits: "it would end this process, and does end the host's",
});
