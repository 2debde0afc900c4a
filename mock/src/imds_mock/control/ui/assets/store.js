// What the page knows of the mock, kept up to date: the journal through a stream, everything else by short polls.

import { api } from "./api.js";

const POLL_MS = 1000;
const MOST = 10_000;

/** Paths that are polled, each with every how many polls. */
const POLLED = {
  status: ["/v1/status", 1],
  clock: ["/v1/clock", 1],
  events: ["/v1/events", 1],
  faults: ["/v1/faults", 1],
  callers: ["/v1/callers", 2],
};

const values = { requests: [], status: null, clock: null, events: [], faults: [], callers: [], planned: [], connection: "connecting" };
const listeners = new Map();
let stream = null;
let timer = null;
let polls = 0;
let clockOffset = Date.now() - performance.now();
const rates = []; // [performance.now(), requests recorded]

function publish(key) {
  for (const listener of listeners.get(key) ?? []) listener(values[key]);
}

function put(key, value) {
  values[key] = value;
  publish(key);
}

export const store = {
  /** The current value of a key. `requests` is one list that grows and shrinks; do not change it. */
  get: (key) => values[key],

  /** Set a key that views share: `planned`, the steps of a scenario ahead of time, [{at, until, what, kind, target}]. */
  set: put,

  /**
   * Call a function with each new value.
   *
   * @param {"requests" | "status" | "clock" | "events" | "faults" | "callers" | "planned" | "connection"} key
   * @param {(value: any) => void} listener
   * @returns {() => void} Ends the subscription.
   */
  subscribe(key, listener) {
    if (!listeners.has(key)) listeners.set(key, new Set());
    listeners.get(key).add(listener);
    return () => listeners.get(key).delete(listener);
  },

  /** Fetch the values of keys now, for example after a change. */
  refresh: (...keys) => Promise.all(keys.map(fetchOne)),

  /** The mock's time now, in milliseconds since the epoch. */
  now: () => performance.now() + clockOffset,

  /** Requests per second over the last seconds. */
  rate() {
    if (rates.length < 2) return 0;
    const [[then, before], [last, recorded]] = [rates[0], rates[rates.length - 1]];
    return Math.max(0, ((recorded - before) * 1000) / (last - then));
  },

  start() {
    document.addEventListener("visibilitychange", () => (document.hidden ? pause() : resume()));
    if (!document.hidden) resume();
  },
};

/** A hidden page asks nothing, so the mock does no work for it. */
function pause() {
  stream?.close();
  stream = null;
  clearTimeout(timer);
  timer = null;
}

function resume() {
  if (stream) return;
  rates.length = 0;
  stream = api.stream(() => `/v1/requests/stream?after=${lastNumber()}`, { onMessage, onState });
  timer = setTimeout(poll, 0);
}

function lastNumber() {
  return values.requests.at(-1)?.number ?? 0;
}

function onMessage({ event, data }) {
  if (event === "request") add([data]);
}

function onState(state) {
  put("connection", state);
  if (state === "open") store.refresh(...Object.keys(POLLED)).catch(() => {});
}

/** Add requests, oldest first, in the order of their numbers. */
function add(added) {
  const last = lastNumber();
  const fresh = added.filter((each) => each.number > last);
  if (!fresh.length) return;
  for (const each of fresh) each.at = Date.parse(each.time);
  values.requests.push(...fresh);
  if (values.requests.length > MOST) values.requests.splice(0, values.requests.length - MOST);
  publish("requests");
}

async function poll() {
  polls += 1;
  const due = Object.keys(POLLED).filter((key) => polls % POLLED[key][1] === 0);
  await Promise.all(due.map(fetchOne)).catch(() => {}); // the stream reports that the mock is away
  if (timer !== null) timer = setTimeout(poll, POLL_MS);
}

async function fetchOne(key) {
  const asked = performance.now();
  const value = await api.get(POLLED[key][0]);
  const now = performance.now();
  if (key === "clock") clockOffset = Date.parse(value.time) - (asked + now) / 2;
  if (key === "status") {
    rates.push([now, value.requests]);
    while (rates.length > 6) rates.shift();
  }
  put(key, value);
}
