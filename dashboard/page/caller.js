/**
 * The page as a client of the cluster, by the library that the scheduler serves to everyone: it reads attributes and
 * calls methods through the relay. It connects when that is first wanted.
 *
 * @module
 */

/** Served by the scheduler, beside the page. */
const LIBRARY = new URL("/troupe.js", import.meta.url).href;

let connecting;

function connect() {
  connecting ??= (async () => {
    const { Client } = await import(LIBRARY);
    return await Client.connect({ onUnobservedError: () => {} });
  })();
  connecting.catch(() => {
    connecting = undefined;
  });
  return connecting;
}

/** A handle, for as long as something is done with it: the page keeps no actor alive. */
async function withActor(key, use) {
  const client = await connect();
  let handle;
  try {
    handle = await client.getActor(key);
  } catch (error) {
    if (error.code === "CONNECTION_LOST" || error.code === "UNAVAILABLE") connecting = undefined;
    throw error;
  }
  try {
    return await use(handle);
  } finally {
    handle[Symbol.asyncDispose]();
  }
}

/**
 * Tells the names of methods, then those and the values of attributes: an actor that is busy gives values when it is not.
 */
export function lookAtActor(key, tell) {
  return withActor(key, async (handle) => {
    const isAttribute = (name) => Object.getOwnPropertyDescriptor(handle, name)?.get !== undefined;
    const names = Object.keys(handle);
    const methods = names.filter((name) => !isAttribute(name));
    tell({ methods, values: undefined });
    const values = await Promise.all(
      names.filter(isAttribute).map(async (name) => {
        try {
          return { name, value: await handle[name] };
        } catch (error) {
          return { name, error: `${error.name}: ${error.message}` };
        }
      }),
    );
    tell({ methods, values });
  });
}

/** Calls a method. Of a stream it gives the first values. */
export function callActor(key, method, args) {
  return withActor(key, async (handle) => {
    const result = handle[method](...args);
    if (typeof result[Symbol.asyncIterator] !== "function") return await result;
    const values = [];
    for await (const value of result) {
      values.push(value);
      if (values.length >= 100) break;
    }
    return values;
  });
}
