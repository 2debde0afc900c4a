// The panels beside the chart: armed events and faults, and which callers have seen the notice.

import { h, replace, setText } from "../dom.js";
import { counted } from "../format.js";
import { remaining } from "./bands.js";
import { appliesTo } from "./lanes.js";

const MOST_OVER = 4;
const MOST_SEEN = 3;
const MOST_CALLERS = 8;
const isOver = (band) => ["ended", "canceled", "spent"].includes(band.state);

/** The list of events and faults; `act(method, path, body)` calls the API. Returns `{element, update, tick}`. */
export function armedPanel(act) {
  const rows = h("div", {});
  const element = h("section", { class: "card", "aria-labelledby": "armed-heading" }, h("div", { class: "card-body" }, h("h2", { class: "card-title", id: "armed-heading" }, "Armed"), rows));
  let shown = [];
  let text = "";
  return { element, update, tick };

  function update(bands) {
    const real = bands.filter((band) => band.state !== "planned" && !band.isPast);
    const over = real.filter(isOver).slice(-MOST_OVER).reverse();
    const listed = [...real.filter((band) => !isOver(band)), ...over];
    const now = JSON.stringify(listed.map(({ armed }) => armed));
    shown = shown.map((each) => ({ ...each, band: listed.find(({ id }) => id === each.band.id) ?? each.band }));
    if (now === text && shown.length) return;
    text = now;
    const focused = document.activeElement?.getAttribute("aria-label");
    shown = listed.map(row);
    replace(rows, shown.length ? shown.map((each) => each.element) : h("p", { class: "muted small" }, "No events or faults are armed."));
    if (focused) [...rows.querySelectorAll("button")].find((each) => each.getAttribute("aria-label") === focused)?.focus();
  }

  function tick(now) {
    for (const { left, band } of shown) setText(left, remaining(band, now));
  }

  function row(band) {
    const { armed, isFault } = band;
    const path = `/v1/${isFault ? "faults" : "events"}/${encodeURIComponent(armed.id)}`;
    const button = (name, ...call) => h("button", { type: "button", "aria-label": `${name} ${armed.id}`, onclick: () => act(...call) }, name);
    const left = h("b", { class: "number" }, "");
    const { in: _in, at: _at, ...again } = armed.fault ?? {};
    const who = armed.target === null ? "every caller" : `${armed.target} · matches ${armed.callers ?? 0}`;
    const { count } = armed.fault ?? {};
    const hits = isFault ? ` · ${count ? `${armed.hits} of ${counted(count, "response")}` : counted(armed.hits, "response")}` : "";
    const made = h(
      "div",
      { class: ["tl-armed", isFault ? "is-fault" : "is-event", isOver(band) && "is-over"], "data-id": armed.id },
      h("div", { class: "tl-armed-row" }, h("span", { class: "break" }, band.title), left),
      h(
        "div",
        { class: "tl-armed-row" },
        h("span", { class: "muted small break" }, `${armed.id} · ${who}${hits}`),
        !isFault && !isOver(band) && button("Cancel", "post", `${path}/cancel`),
        !isFault && isOver(band) && button("Re-arm", "post", `${path}/rearm`, {}),
        isFault && !isOver(band) && button("Cancel", "delete", path),
        isFault && isOver(band) && button("Re-arm", "post", "/v1/faults", again),
      ),
      armed.warning && h("div", { class: "v1 small" }, armed.warning.replaceAll("`", "")),
    );
    return { element: made, left, band };
  }
}

/** Who has seen the latest events, and after how long. Returns `{element, update}`. */
export function seenPanel() {
  const rows = h("div", { class: "stack" });
  const element = h("section", { class: "card", hidden: true, "aria-labelledby": "seen-heading" }, h("div", { class: "card-body" }, h("h2", { class: "card-title", id: "seen-heading" }, "Who has seen the notice"), rows));
  let text = "";
  return { element, update };

  function update(bands, lanes, reads, now) {
    const events = bands.filter((band) => !band.isFault && band.state !== "planned" && !band.isPast && band.start <= now);
    const told = events.filter(({ id, armed }) => armed.action_at || reads.some(({ event }) => event === id));
    element.hidden = told.length === 0;
    const known = JSON.stringify([told.map(({ id, state, start }) => [id, state, start, start <= now]), lanes.map(({ key }) => key), reads]);
    if (known === text) return;
    text = known;
    replace(rows, told.slice(-MOST_SEEN).reverse().map((band) => seen(band, lanes, reads, now)));
  }

  function seen(band, lanes, reads, now) {
    const own = reads.filter(({ event }) => event === band.id);
    const listed = lanes.filter((lane) => appliesTo(band.armed, lane)).map((lane) => [lane, own.find(({ caller }) => lane.addresses.has(caller))]);
    listed.sort(([, a], [, b]) => (a?.seconds ?? Infinity) - (b?.seconds ?? Infinity));
    const rest = listed.slice(MOST_CALLERS).filter(([, read]) => read).length;
    const whole = Math.max(10, ...own.map(({ seconds }) => seconds), band.action === null ? 0 : (band.action - band.start) / 1000);
    return h(
      "div",
      {},
      h("div", { class: "small" }, h("b", {}, band.title), h("span", { class: "muted" }, ` · ${band.id}`)),
      listed.length === 0 && h("p", { class: "muted small" }, "No caller has sent a request yet."),
      listed.slice(0, MOST_CALLERS).map(([lane, read]) => h(
        "div",
        { class: "tl-seen" },
        h("span", { class: "break" }, lane.name),
        h("span", { class: "tl-seen-bar", "aria-hidden": "true" }, h("i", { style: { width: `${read ? Math.min(100, (100 * read.seconds) / whole) : 0}%` } })),
        read ? h("b", { class: "number" }, `${read.seconds.toFixed(1)} s`) : h("span", { class: "muted" }, now < band.end && !isOver(band) ? "not yet" : "never"),
      )),
      listed.length > MOST_CALLERS && h("p", { class: "muted small" }, `and ${counted(listed.length - MOST_CALLERS, "more caller")}, ${rest} of which have seen it`),
    );
  }
}
