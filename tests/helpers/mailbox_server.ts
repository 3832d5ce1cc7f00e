import { Queue } from "./queue.ts";

/** Takes what code elsewhere posts, in whatever isolate or process it runs. */
export class MailboxServer implements AsyncDisposable {
  /** What was posted and nobody has taken yet. */
  readonly posted = new Queue<string>();
  readonly #server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    this.posted.push(await request.text());
    return new Response();
  });

  /** Where to post. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}
