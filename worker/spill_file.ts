/**
 * A file without a name, in which a host keeps what does not fit into memory. It is gone when the process is, however
 * that ends.
 *
 * @module
 */

/** Where something lies in the file. */
export interface Extent {
  /** Its first byte. */
  readonly at: number;
  /** How many bytes. */
  readonly length: number;
}

/** A file without a name. What is written, read and freed happens in the order in which it was asked for. */
export class SpillFile {
  /**
   * Opens one in the first of these folders that may be written to; `undefined` where none may.
   *
   * @throws {Error} Where the folder is full, or not there.
   */
  static async open(folders: readonly string[]): Promise<SpillFile | undefined> {
    const folder = folders.find((path) =>
      Deno.permissions.querySync({ name: "write", path }).state === "granted" &&
      Deno.permissions.querySync({ name: "read", path }).state === "granted"
    );
    if (folder === undefined) return undefined;
    const path = await Deno.makeTempFile({ dir: folder, prefix: "troupe-" });
    const file = await Deno.open(path, { read: true, write: true });
    try {
      await Deno.remove(path);
      return new SpillFile(file, undefined);
    } catch {
      // Windows keeps the name of an open file.
      return new SpillFile(file, path);
    }
  }

  readonly #file: Deno.FsFile;
  readonly #path: string | undefined;
  /** What is free before the end, by position; neighbours are one. */
  readonly #free: Extent[] = [];
  #end = 0;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(file: Deno.FsFile, path: string | undefined) {
    this.#file = file;
    this.#path = path;
  }

  /** Bytes from the beginning to the end of what is in use. */
  get length(): number {
    return this.#end;
  }

  /** Writes bytes where there is room. Where that fails nothing is in use. */
  async write(bytes: Uint8Array): Promise<Extent> {
    const extent = this.#take(bytes.length);
    try {
      await this.#next(async () => {
        await this.#file.seek(extent.at, Deno.SeekMode.Start);
        for (let written = 0; written < bytes.length;) written += await this.#file.write(bytes.subarray(written));
      });
      return extent;
    } catch (error) {
      this.free(extent);
      throw error;
    }
  }

  /** Reads what was written. */
  read({ at, length }: Extent): Promise<Uint8Array> {
    return this.#next(async () => {
      const bytes = new Uint8Array(length);
      await this.#file.seek(at, Deno.SeekMode.Start);
      for (let read = 0; read < length;) {
        const count = await this.#file.read(bytes.subarray(read));
        if (count === null) throw new Error("The file of what does not fit into memory was cut short");
        read += count;
      }
      return bytes;
    });
  }

  /** Gives room back. */
  free({ at, length }: Extent): void {
    const index = this.#free.findIndex((other) => other.at > at);
    this.#free.splice(index < 0 ? this.#free.length : index, 0, { at, length });
    for (let i = this.#free.length - 1; i > 0; i--) {
      const [one, next] = [this.#free[i - 1]!, this.#free[i]!];
      if (one.at + one.length === next.at) {
        this.#free.splice(i - 1, 2, { at: one.at, length: one.length + next.length });
      }
    }
    const last = this.#free.at(-1);
    if (last && last.at + last.length === this.#end) {
      this.#free.pop();
      this.#end = last.at;
      // Nothing that was asked for before lies there.
      this.#next(() => this.#file.truncate(this.#end)).catch(() => {});
    }
  }

  /** Closes it, and with that it is gone. */
  async close(): Promise<void> {
    await this.#next(() => Promise.resolve(this.#file.close()));
    if (this.#path !== undefined) await Deno.remove(this.#path);
  }

  #take(length: number): Extent {
    const index = this.#free.findIndex((extent) => extent.length >= length);
    if (index < 0) {
      const at = this.#end;
      this.#end += length;
      return { at, length };
    }
    const { at, length: found } = this.#free[index]!;
    this.#free.splice(index, 1, ...found > length ? [{ at: at + length, length: found - length }] : []);
    return { at, length };
  }

  #next<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#last.then(run);
    this.#last = done.catch(() => {});
    return done;
  }
}
