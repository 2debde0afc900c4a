// What the page knows about the mock, kept up to date: the journal by a stream, everything else by polling.

import { api } from "./api.js";

const POLL_MS = 1000;
const MOST = 10_000;
const STREAM = "/v1/requests/stream?interval=250ms";

/** Polled paths; a path with the number N is requested at every Nth poll. */
const POLLED = {
  status: ["/v1/status", 1],
  clock: ["/v1/clock", 2],
  events: ["/v1/events", 1],
  faults: ["/v1/faults", 1],
  callers: ["/v1/callers", 2],
  firstReads: ["/v1/requests/first-reads", 1],
};

const values = { requests: [], status: null, clock: null, events: [], faults: [], callers: [], firstReads: [], planned: [], skipped: 0, connection: "connecting", reason: "" };
const listeners = new Map();
let stream = null;
let timer = null;
let polls = 0;
let last = 0; // number of the latest request that was read, shown or skipped
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

  /** Set a key that views share: `planned`, the steps of a scenario that is being previewed, [{at, until, what, kind, target}]. */
  set: put,

  /**
   * Call a function with each new value.
   *
   * @param {"requests" | "status" | "clock" | "events" | "faults" | "callers" | "firstReads" | "planned" | "connection"} key
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

  /** Whether the page shows a sample, because more requests arrived in the last 5 s than it receives. */
  isSampled: () => values.skipped > 0 && performance.now() - values.skipped < 5000,

  /** Requests per second over the last seconds. */
  rate() {
    if (rates.length < 2) return 0;
    const [[then, before], [latest, recorded]] = [rates[0], rates[rates.length - 1]];
    return Math.max(0, ((recorded - before) * 1000) / (latest - then));
  },

  start() {
    document.addEventListener("visibilitychange", () => (document.hidden ? pause() : resume()));
    if (!document.hidden) resume();
  },
};

/** A hidden page sends no requests, so the mock does no work for it. */
function pause() {
  stream?.close();
  stream = null;
  clearTimeout(timer);
  timer = null;
}

function resume() {
  if (stream) return;
  openStream();
  timer = setTimeout(poll, 0);
}

function openStream() {
  stream?.close();
  rates.length = 0;
  stream = api.stream(() => `${STREAM}&after=${last}`, { onMessage, onState });
}

function onMessage({ event, data }) {
  if (event !== "requests") return;
  last = data.last;
  if (data.skipped > 0) values.skipped = performance.now();
  for (const each of data.requests) each.at = Date.parse(each.time);
  values.requests.push(...data.requests);
  if (values.requests.length > MOST) values.requests.splice(0, values.requests.length - MOST);
  publish("requests");
}

function onState(state, reason = "") {
  values.reason = reason;
  put("connection", state);
  if (state === "open") store.refresh(...Object.keys(POLLED)).catch(() => {});
}

async function poll() {
  polls += 1;
  const due = Object.keys(POLLED).filter((key) => polls % POLLED[key][1] === 0 && isWanted(key));
  await Promise.all(due.map(fetchOne)).catch(() => {}); // the stream reports that the mock does not answer
  if (timer !== null) timer = setTimeout(poll, POLL_MS);
}

/** The mock searches the whole journal for first reads, so the page requests them only if there is an event. */
function isWanted(key) {
  return key !== "firstReads" || values.events.length > 0 || values.firstReads.length > 0;
}

async function fetchOne(key) {
  const asked = performance.now();
  const value = await api.get(POLLED[key][0]);
  const now = performance.now();
  if (key === "clock") clockOffset = Date.parse(value.time) - (asked + now) / 2;
  if (key === "status") accept(value, now);
  put(key, value);
}

/** Notice a restart of the mock, a reset and a cleared journal, after which earlier requests are gone. */
function accept(status, now) {
  const before = values.status;
  if (before && before.started !== status.started) {
    last = 0;
    forget(Infinity);
    // The stream of the new mock has opened with the last number of the old one.
    openStream();
    return;
  }
  if (before && status.requests < before.requests) rates.length = 0;
  if (status.first_request > (values.requests[0]?.number ?? Infinity)) forget(status.first_request);
  rates.push([now, status.requests]);
  while (rates.length > 6) rates.shift();
}

/** Drop the requests before a number. */
function forget(number) {
  const kept = values.requests.findIndex((each) => each.number >= number);
  values.requests.splice(0, kept < 0 ? values.requests.length : kept);
  publish("requests");
}
