import { createPortTransport } from "../../connection/mod.ts";
import { describeTransport } from "../contract/transport_contract.ts";

describeTransport("the two ports of a MessageChannel", {
  vanishes: false,
  connect() {
    const { port1, port2 } = new MessageChannel();
    return Promise.resolve({
      one: createPortTransport(port1),
      other: createPortTransport(port2),
      [Symbol.dispose]() {
        port1.close();
        port2.close();
      },
    });
  },
});

const RELAY = `
  import { createPortTransport, joinTransports } from "${import.meta.resolve("../../connection/mod.ts")}";
  self.onmessage = ({ ports }) => {
    joinTransports(createPortTransport(ports[0]), createPortTransport(ports[1]));
    self.postMessage("joined");
  };
  self.postMessage("ready");
`;

describeTransport("ports that a Web Worker joins", {
  vanishes: false,
  async connect() {
    const worker = new Worker(`data:text/javascript,${encodeURIComponent(RELAY)}`, { type: "module" });
    await said(worker);
    const [near, far] = [new MessageChannel(), new MessageChannel()];
    worker.postMessage(undefined, [near.port2, far.port2]);
    await said(worker);
    return {
      one: createPortTransport(near.port1),
      other: createPortTransport(far.port1),
      [Symbol.dispose]() {
        near.port1.close();
        far.port1.close();
        worker.terminate();
      },
    };
  },
});

function said(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(event.message));
    };
  });
}
