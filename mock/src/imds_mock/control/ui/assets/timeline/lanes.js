// The lanes: one for each caller, with its requests in the order of their times, and the events and faults that apply to it.

import { clientName, middle } from "../format.js";
import { styleOf } from "./marks.js";

const byName = new Intl.Collator("en", { numeric: true });

/**
 * A lane.
 *
 * @typedef {{key: string, name: string, service: string | null, instance: string | null, client: string,
 *   addresses: Set<string>, names: Set<string>, requests: object[], v1: number}} Lane
 */

/**
 * Sort requests into lanes.
 *
 * @param {object[]} requests The journal, oldest first.
 * @param {object[]} callers The callers as the API lists them.
 * @returns {Lane[]} By name; callers without a name come last.
 */
export function lanesOf(requests, callers) {
  const known = new Map();
  for (const caller of callers) for (const address of [caller.address, ...caller.addresses]) known.set(address, caller);
  const lanes = new Map();
  const byAddress = new Map();
  for (const request of requests) {
    let lane = byAddress.get(request.caller);
    if (!lane) {
      const caller = known.get(request.caller);
      const names = caller?.names.length ? caller.names : request.names;
      const key = names[0] ?? request.caller;
      lane = lanes.get(key) ?? make(key, names, caller);
      lane.addresses.add(request.caller);
      for (const address of caller?.addresses ?? []) lane.addresses.add(address);
      lanes.set(key, lane);
      byAddress.set(request.caller, lane);
    }
    request.style ??= styleOf(request);
    lane.requests.push(request);
    if (request.version === "v1") lane.v1 += 1;
    lane.instance ??= request.instance_id;
  }
  for (const lane of lanes.values()) {
    // The clock may have been set back.
    if (!isSorted(lane.requests)) lane.requests.sort((a, b) => a.at - b.at);
  }
  return [...lanes.values()].sort((a, b) => a.isAddress - b.isAddress || byName.compare(a.name, b.name));
}

function make(key, names, caller) {
  const client = caller?.clients.find((each) => each.user_agent) ?? null;
  return {
    key,
    name: key,
    isAddress: names.length === 0,
    service: names[1] ?? caller?.service ?? null,
    instance: caller?.instance_id ?? null,
    client: client ? clientName(client.user_agent) : "",
    addresses: new Set(),
    names: new Set(names),
    requests: [],
    v1: 0,
  };
}

function isSorted(requests) {
  for (let i = 1; i < requests.length; i += 1) if (requests[i].at < requests[i - 1].at) return false;
  return true;
}

/** The lines below a lane's name. */
export function linesOf(lane) {
  const first = [lane.service, lane.instance && middle(lane.instance, 12)].filter(Boolean).join(" · ");
  const second = [lane.client, lane.v1 > 0 && "IMDSv1"].filter(Boolean).join(" · ");
  return [first, second];
}

/** Whether an event or fault applies to a lane. */
export function appliesTo(armed, lane) {
  const { target } = armed;
  if (target === null || target === undefined) return true;
  if (lane.names.has(target) || lane.addresses.has(target)) return true;
  return (armed.addresses ?? []).some((address) => lane.addresses.has(address));
}

/** The index of the first request at or after a time. */
export function indexAt(requests, at) {
  let [low, high] = [0, requests.length];
  while (low < high) {
    const half = (low + high) >> 1;
    if (requests[half].at < at) low = half + 1;
    else high = half;
  }
  return low;
}
