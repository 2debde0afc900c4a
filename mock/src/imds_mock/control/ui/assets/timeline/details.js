// One request in words: the panel beside the chart, the tooltip, and the table.

import { clientName, clockTime, duration } from "../format.js";
import { copy, h, replace } from "../dom.js";
import { answerName, versionName } from "./marks.js";

const TOKENS = {
  absent: "none sent",
  issued: "issued by this response",
  valid: "valid",
  rejected: "rejected",
  unchecked: "not checked",
};

/** A request in one line. */
export function oneLine(request, lane) {
  const time = clockTime(request.at, { withMilliseconds: true });
  const faults = request.faults.length ? `, changed by ${request.faults.join(", ")}` : "";
  return `${lane?.name ?? request.caller}, ${time}: ${request.method ?? ""} ${request.path} → ${answerName(request)}, ${versionName(request)}${faults}`;
}

/** Show a request in a panel. `read` is its entry among the first reads, if it is one of them. */
export function showDetails(panel, request, lane, read, app) {
  if (!request) {
    replace(
      panel,
      h("h2", { class: "card-title" }, "Request"),
      h("p", { class: "muted small" }, "Select a mark to see its request. With the keyboard: focus the timeline, then use the arrow keys."),
    );
    return;
  }
  const fact = (name, value, more) => value !== null && value !== "" && [h("dt", {}, name), h("dd", { class: more }, value)];
  const isMoved = request.real_time !== request.time;
  const address = lane && lane.name !== request.caller ? `${lane.name} (${request.caller})` : request.caller;
  const tone = request.faults.length || request.status === null || (request.status >= 400 && request.status !== 404) ? "bad" : "";
  replace(
    panel,
    h("h2", { class: "card-title", id: "request-title", tabindex: "-1" }, `Request, ${clockTime(request.at, { withMilliseconds: true })}`),
    h(
      "dl",
      { class: "facts" },
      fact("caller", address),
      fact("time", request.time),
      fact("instance", request.instance_id),
      fact("request", `${request.method ?? "not an HTTP request"} ${request.path}`),
      request.written !== request.path && fact("as sent", request.written),
      fact("response", `${answerName(request)} · ${duration(request.microseconds / 1000)}`, tone),
      fact("protocol", versionName(request), request.version === "v1" && "v1"),
      fact("token", TOKENS[request.token] ?? request.token, request.token === "rejected" && "bad"),
      request.faults.length > 0 && fact("faults", request.faults.join(", "), "bad"),
      fact("client", request.user_agent || "no user agent"),
      read && fact("first seen", `${read.seconds.toFixed(1)} s after the start of ${read.event}`),
      isMoved && fact("real time", request.real_time),
      fact("number", String(request.number)),
    ),
    h(
      "div",
      { class: "tl-actions" },
      h("button", { type: "button", onclick: () => take(request.path, app) }, "Copy path"),
      h("button", { type: "button", onclick: () => take(curl(request), app) }, "Copy as curl"),
    ),
  );
}

async function take(text, app) {
  app.notify((await copy(text)) ? `Copied: ${text}` : "The browser does not allow copying.");
}

/** A command that repeats the request inside a container. */
function curl(request) {
  const url = `'http://169.254.169.254${request.path.replaceAll("'", "'\\''")}'`;
  if (request.version !== "v2") return `curl -s ${url}`;
  const token = "curl -sX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token";
  return request.method === "PUT" ? token : `curl -s -H "X-aws-ec2-metadata-token: $(${token})" ${url}`;
}

const COLUMNS = ["Time", "Caller", "Request", "Response", "Protocol", "Token", "Duration", "Client"];

/** A table of requests; `onOpen` is called with the chosen request. */
export function requestTable(rows, laneOf, onOpen) {
  return h(
    "table",
    { class: "tl-table" },
    h("caption", { class: "sr-only" }, "Requests, newest first"),
    h("thead", {}, h("tr", {}, COLUMNS.map((name) => h("th", { scope: "col", class: name === "Duration" && "number" }, name)))),
    h("tbody", {}, rows.map((request) => h(
      "tr",
      {},
      h("td", {}, h("button", { type: "button", class: "quiet number", onclick: () => onOpen(request) }, clockTime(request.at, { withMilliseconds: true }))),
      h("td", {}, laneOf(request)?.name ?? request.caller),
      h("td", { class: "mono" }, `${request.method ?? ""} ${request.path}`),
      h("td", { class: (request.faults.length > 0 || request.status === null || (request.status >= 400 && request.status !== 404)) && "bad" }, answerName(request), request.faults.length > 0 && ` (${request.faults.join(", ")})`),
      h("td", { class: request.version === "v1" && "v1" }, versionName(request)),
      h("td", { class: request.token === "rejected" && "bad" }, request.token === "absent" ? "none" : request.token),
      h("td", { class: "number" }, duration(request.microseconds / 1000)),
      h("td", {}, request.user_agent ? clientName(request.user_agent) : ""),
    ))),
  );
}
