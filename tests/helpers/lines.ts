/** The lines of a stream, one at a time. */
export class Lines {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #rest = "";

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.#reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The next line, without its end; `undefined` after the last. */
  async next(): Promise<string | undefined> {
    while (true) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      const { done, value } = await this.#reader.read();
      if (!done) this.#rest += value;
      else if (this.#rest === "") return undefined;
      else this.#rest += "\n";
    }
  }

  /** The next line that holds a text; `undefined` where there is none. */
  async find(text: string): Promise<string | undefined> {
    for (let line = await this.next(); line !== undefined; line = await this.next()) {
      if (line.includes(text)) return line;
    }
    return undefined;
  }

  /** All that is left. */
  async rest(): Promise<string> {
    const lines = [];
    for (let line = await this.next(); line !== undefined; line = await this.next()) lines.push(line);
    return lines.join("\n");
  }
}
