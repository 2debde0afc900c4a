// The bands over the lanes: events and faults, what they are, and how long they last.

import { clockTime, countdown, counted } from "../format.js";

const NAMES = {
  spot: "spot interruption",
  rebalance: "rebalance recommendation",
  maintenance: "scheduled maintenance",
  lifecycle: "target lifecycle state",
  "credentials-rotation": "credentials rotated",
  "credentials-expiry": "credentials expire",
  "endpoint-disabled": "endpoint off",
  delay: "delay",
  status: "",
  reset: "connection reset",
  stall: "no response",
  truncate: "body cut off",
  "revoke-tokens": "tokens revoked",
  "clock-skew": "clock skew",
};

/** What an event or fault is, in a few words: `spot interruption`, `503 on *∕iam∕*`. */
export function titleOf(armed) {
  const given = armed.event ?? armed.fault ?? {};
  let title = NAMES[armed.kind] ?? armed.kind;
  if (armed.kind === "status") title = String(given.status ?? 503);
  if (armed.kind === "delay") title = `delay ${inSeconds(given.delay)}`;
  if (armed.kind === "lifecycle" && given.state) title = `lifecycle state ${given.state}`;
  if (armed.kind === "maintenance" && given.code) title = `maintenance ${given.code}`;
  if (given.path && given.path !== "*") title += ` on ${given.path}`;
  return title;
}

function inSeconds(value) {
  return typeof value === "number" ? `${value} s` : String(value ?? "");
}

/**
 * The bands of all events, faults and planned steps.
 *
 * @param {object} state `{events, faults, planned, requests}` as in the store.
 * @returns {object[]} `{id, armed, isFault, state, start, end, action, title}`: times in milliseconds; `end` is
 *   Infinity for an open end.
 */
export function bandsOf({ events, faults, planned, requests }) {
  return [
    ...events.map((armed) => band(armed, false)),
    ...faults.map((armed) => band(armed, true, armed.state === "spent" ? lastHit(armed.id, requests) : null)),
    ...planned.map(plannedBand),
  ].sort((a, b) => a.start - b.start);
}

function band(armed, isFault, end = null) {
  return {
    id: armed.id,
    armed,
    isFault,
    state: armed.state,
    isPast: armed.isPast ?? false,
    start: Date.parse(armed.starts),
    end: end ?? (armed.ends ? Date.parse(armed.ends) : Infinity),
    action: armed.action_at ? Date.parse(armed.action_at) : null,
    title: titleOf(armed),
  };
}

function plannedBand({ at, until, what, kind, target }, index) {
  const armed = { id: `planned-${index}`, kind, target: target ?? null, addresses: [] };
  const [start, end] = [new Date(at).getTime(), until ? new Date(until).getTime() : Infinity];
  return { id: armed.id, armed, isFault: what === "fault", state: "planned", start, end, action: null, title: titleOf(armed) };
}

function lastHit(id, requests) {
  for (let i = requests.length - 1; i >= 0; i -= 1) if (requests[i].faults.includes(id)) return requests[i].at + 1;
  return null;
}

/** What remains, in words: `terminate in 1:12`, `terminate due`, `starts in 0:25`, `for 0:20`. */
export function remaining(band, now) {
  const { state, start, end, action, armed } = band;
  if (state === "planned") return `planned for ${clockTime(start)}`;
  if (state === "pending" && now < start) return `starts in ${countdown(start - now)}`;
  if (state === "canceled") return state;
  if (state === "spent") return `spent after ${counted(armed.hits, "response")}`;
  if (end <= now) return "ended";
  if (action !== null && now < action) return `${armed.action} in ${countdown(action - now)}`;
  if (action !== null) return `${armed.action} due`;
  return end === Infinity ? "active" : `ends in ${countdown(end - now)}`;
}
