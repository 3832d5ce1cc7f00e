/**
 * Calls as rows and rectangles, and as a file that trace viewers open. Pure: it draws nothing.
 *
 * @module
 */

/** How many colours there are for methods. */
export const COLORS = 8;

/** Rows that are shown at the most. */
const MOST_ROWS = 60;

/**
 * Rows, one for each actor or function of tasks, the longest known first, and their rectangles within a window of time.
 *
 * Calls that overlap lie in lanes of a row, so that one never hides another.
 *
 * @param calls What was observed, and what runs now (`ended` undefined).
 * @param from Start of the window in milliseconds since 1970.
 * @param to Its end.
 * @param order Actors in the order in which they were first seen; it is added to.
 */
export function layOut(calls, from, to, order) {
  const rows = new Map();
  for (const call of calls) {
    const ended = call.ended ?? to;
    if (ended < from || call.arrived > to) continue;
    // Tasks are many, and each runs once: those of one function share a row.
    const id = call.className ? call.key : `tasks of ${call.method}`;
    if (!order.has(id)) order.set(id, order.size);
    const row = rows.get(id) ?? rows.set(id, []).get(id);
    row.push({ ...call, ended, open: call.ended === undefined });
  }
  const sorted = [...rows].sort(([one], [other]) => order.get(one) - order.get(other)).slice(0, MOST_ROWS);
  return sorted.map(([name, calls]) => {
    calls.sort((one, other) => one.arrived - other.arrived);
    const lanes = [];
    for (const call of calls) {
      let lane = lanes.findIndex((end) => end <= call.arrived);
      if (lane < 0) lane = lanes.length;
      lanes[lane] = call.ended;
      call.lane = Math.min(lane, 5);
    }
    return { name, lanes: Math.min(6, Math.max(1, lanes.length)), calls };
  });
}

/** The number of a method's colour: the same method has the same, as long as the page is open. */
export function colorOf(colors, className, method) {
  const name = className ? `${className}.${method}` : method;
  if (!colors.has(name)) colors.set(name, colors.size % COLORS);
  return colors.get(name);
}

/** The text of a file in the Trace Event Format, which Perfetto and Chrome's own viewer open. */
export function toChromeTrace(calls, workers) {
  const processes = new Map();
  const threads = new Map();
  const events = [];
  for (const { worker, key, className, method, call, arrived, started, ended, failed } of calls) {
    if (!processes.has(worker)) {
      processes.set(worker, processes.size + 1);
      const name = workers.find(({ id }) => id === worker)?.name ?? worker;
      events.push({ ph: "M", name: "process_name", pid: processes.get(worker), args: { name } });
    }
    const pid = processes.get(worker);
    const lane = `${worker} ${key}`;
    if (!threads.has(lane)) {
      threads.set(lane, threads.size + 1);
      events.push({ ph: "M", name: "thread_name", pid, tid: threads.get(lane), args: { name: key } });
    }
    const tid = threads.get(lane);
    const name = className ? `${className}.${method}` : method;
    const common = { pid, tid, cat: className ? "call" : "task", args: { key, call, failed } };
    if (started > arrived) {
      events.push({ ...common, ph: "X", name: "waits", ts: arrived * 1000, dur: (started - arrived) * 1000 });
    }
    events.push({
      ...common,
      ph: "X",
      name,
      ts: started * 1000,
      dur: (ended - started) * 1000,
      ...(failed ? { cname: "terrible" } : {}),
    });
  }
  return JSON.stringify({ displayTimeUnit: "ms", traceEvents: events });
}
