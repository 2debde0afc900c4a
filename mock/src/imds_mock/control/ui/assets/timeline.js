// The view "Timeline": who requested what and when, with events and faults over the callers that they apply to.

import { keep, read } from "./address.js";
import { openDialog } from "./drive.js";
import { append, h, replace, setText } from "./dom.js";
import { clockTime, counted, dateName, duration, zoneName } from "./format.js";
import { bandsOf } from "./timeline/bands.js";
import { makeChart } from "./timeline/chart.js";
import { oneLine, requestTable, showDetails } from "./timeline/details.js";
import { KEYS } from "./timeline/keys.js";
import { appliesTo, indexAt, lanesOf } from "./timeline/lanes.js";
import { legend } from "./timeline/legend.js";
import { armedPanel, seenPanel } from "./timeline/panels.js";
import { Past } from "./timeline/past.js";

const SPANS = [[15, "15 s"], [60, "1 min"], [180, "3 min"], [600, "10 min"], [3600, "1 h"], [21_600, "6 h"]];
const MOST_ROWS = 200;

let span = 180_000; // stays when the view is left

/** A part of time in the address, as ISO 8601 writes an interval; null if it is none. */
function interval(text) {
  const [start, end] = (text ?? "").split("/").map((each) => Date.parse(each));
  return end > start ? { start, end } : null;
}

const written = ({ start, end }) => [start, end].map((each) => new Date(each).toISOString()).join("/");

/** Show the view; returns a function that removes its subscriptions. */
export function mount(root, app) {
  const { store } = app;
  const past = new Past();
  let lanes = [];
  let bands = [];
  let reads = [];

  const chart = makeChart({ now: store.now, onSelect: details, onGone: gone, onSpan: showSpan, onView: showView, onLane: (lane) => app.target.set(lane.key), describe: oneLine });
  chart.view.span = span;
  const panel = h("div", { class: "card-body" });
  const armed = armedPanel(act);
  const seen = seenPanel();

  const pause = h("button", { type: "button", onclick: () => toggle() }, "Pause");
  const spans = h("select", { "aria-label": "Length of the view", onchange: () => choose(Number(spans.value)) });
  const target = h("select", { "aria-label": "Target", onchange: () => app.target.set(target.value) });
  const spanBar = h("div", { class: "bar tl-span", hidden: true });
  const spanText = h("span", { role: "status" });
  append(spanBar, spanText, h("span", { class: "grow" }),
    h("button", { type: "button", onclick: () => chart.zoomToSpan() }, "Zoom to selection"),
    h("button", { type: "button", onclick: () => chart.setSpan(null) }, "Clear"));
  const zone = h("p", { class: "tl-zone muted" });
  const empty = h("div", { class: "empty", hidden: true },
    h("h2", {}, "No requests yet"),
    h("p", {}, "Each container that asks this mock for metadata gets a lane here, with a mark for each of its requests."),
    h("p", {}, "Try ", h("code", {}, "curl http://169.254.169.254/latest/meta-data/"), " in one of them."));
  const sampled = h("p", { class: "tl-note", role: "status", hidden: true }, "More requests arrive than the page can draw, so it shows an even sample of them.");
  const latest = h("span", {});
  const elsewhere = h("p", { class: "tl-note", hidden: true }, latest, " ",
    h("button", { type: "button", class: "quiet", onclick: () => showLatest() }, "Show the latest request"));
  const tableBody = h("div", { class: "scroll" });
  const tableTitle = h("span", {}, "Requests in view as a table");
  const table = h("details", { class: "card tl-details", ontoggle: () => showTable() }, h("summary", {}, tableTitle), tableBody);
  const open = (kind) => () => openDialog(kind, app);

  root.append(
    h("h1", { class: "sr-only" }, "Timeline"),
    h(
      "div",
      { class: "tl" },
      h(
        "section",
        { class: "card tl-main", "aria-label": "Requests by caller" },
        h(
          "div",
          { class: "bar" },
          h("label", { class: "tl-target" }, h("span", {}, "Target"), target),
          h("button", { type: "button", class: "do", onclick: open("spot") }, "Interrupt spot…"),
          h("button", { type: "button", onclick: open("rebalance") }, "Rebalance…"),
          h("button", { type: "button", onclick: open("credentials-expiry") }, "Expire credentials…"),
          h("button", { type: "button", onclick: open("fault") }, "Add fault…"),
          h("button", { type: "button", onclick: open("scenario") }, "Play scenario…"),
          h("span", { class: "tl-view" },
            pause,
            h("button", { type: "button", "aria-label": "Zoom out", onclick: () => chart.zoom(2) }, "−"),
            spans,
            h("button", { type: "button", "aria-label": "Zoom in", onclick: () => chart.zoom(0.5) }, "+")),
        ),
        spanBar,
        sampled,
        elsewhere,
        chart.element,
        empty,
        legend(),
        zone,
        h("details", { class: "tl-keys" }, h("summary", {}, "Keys"), h("dl", { id: "timeline-keys" }, KEYS.map(([key, what]) => [h("dt", {}, key), h("dd", {}, what)]))),
      ),
      h("div", { class: "tl-side" },
        h("section", { class: "card", "aria-label": "Request" }, panel),
        armed.element,
        seen.element),
      table,
    ),
  );

  function toggle() {
    chart.view.follows = !chart.view.follows;
    chart.moved();
  }

  function choose(seconds) {
    if (seconds === 0) {
      const first = store.get("requests")[0]?.at ?? store.now() - 60_000;
      chart.view.span = Math.max(15_000, (store.now() - first) * 1.25);
      chart.view.follows = true;
    } else if (seconds > 0) {
      chart.view.zoom((seconds * 1000) / chart.view.span, chart.view.follows ? store.now() : chart.view.start + chart.view.span / 2);
    }
    chart.moved();
  }

  async function act(method, path, body) {
    try {
      await (method === "delete" ? app.api.delete(path) : app.api.post(path, body));
    } catch (error) {
      app.notify(error.message, "bad");
    }
    await store.refresh("events", "faults").catch(() => {});
  }

  function details(request) {
    const first = request && reads.find(({ number }) => number === request.number);
    showDetails(panel, request, request && chart.laneOf(request), first, app);
    keep({ request: request ? String(request.number) : "" });
  }

  /** The details stay, because they may be what the user is reading. */
  function gone() {
    panel.append(h("p", { class: "muted small", role: "status" }, "The journal no longer contains this request."));
    keep({ request: "" });
  }

  function showView() {
    span = chart.view.span;
    setText(pause, chart.view.follows ? "Pause" : "Follow");
    pause.classList.toggle("primary", !chart.view.follows);
    const seconds = chart.view.span / 1000;
    const known = SPANS.find(([each]) => Math.abs(each - seconds) < 0.01);
    const options = known ? SPANS : [...SPANS, [seconds, duration(chart.view.span)]].sort(([a], [b]) => a - b);
    replace(spans, options.map(([each, name]) => h("option", { value: String(each) }, name)), h("option", { value: "0" }, "all"));
    spans.value = String(known ? known[0] : seconds);
    keep({ view: chart.view.follows ? "" : written(chart.view) });
    if (!chart.view.follows) showTable();
  }

  function showSpan(chosenSpan) {
    spanBar.hidden = !chosenSpan;
    keep({ span: chosenSpan ? written(chosenSpan) : "" });
    if (chosenSpan) countSpan();
    showTable();
  }

  /** Count the requests in the selected span, which may reach into the future. */
  function countSpan() {
    const chosenSpan = chart.scene.selection;
    const chosen = lanes.map((lane) => lane.requests.slice(indexAt(lane.requests, chosenSpan.start), indexAt(lane.requests, chosenSpan.end))).filter((each) => each.length);
    const all = chosen.flat();
    const [old, bad] = [all.filter(({ version }) => version === "v1").length, all.filter(({ faults }) => faults.length).length];
    const key = [chosenSpan.start, chosenSpan.end, all.length, chosen.length, old, bad].join();
    if (spanText.dataset.key === key) return;
    spanText.dataset.key = key;
    replace(
      spanText,
      h("b", {}, duration(chosenSpan.end - chosenSpan.start)), ` from ${clockTime(chosenSpan.start)}: ${counted(all.length, "request")} by ${counted(chosen.length, "caller")}`,
      old > 0 && h("span", { class: "v1" }, `, ${old} IMDSv1`), bad > 0 && h("span", { class: "bad" }, `, ${bad} faulted`),
    );
  }

  function showTable() {
    const { start, end } = chart.scene.selection ?? chart.view;
    const rows = lanes.flatMap((lane) => lane.requests.slice(indexAt(lane.requests, start), indexAt(lane.requests, end)));
    const title = chart.scene.selection ? "Selected requests as a table" : "Requests in view as a table";
    setText(tableTitle, `${title} (${rows.length.toLocaleString("en")}${rows.length > MOST_ROWS ? `, the latest ${MOST_ROWS} listed` : ""})`);
    const last = store.get("requests").at(-1);
    elsewhere.hidden = rows.length > 0 || !last || Boolean(chart.scene.selection);
    if (!elsewhere.hidden) setText(latest, `No request in view; the latest was at ${clockTime(last.at)} on ${dateName(last.at)}.`);
    if (!table.open || tableBody.contains(document.activeElement)) return;
    rows.sort((a, b) => b.number - a.number);
    replace(tableBody, requestTable(rows.slice(0, MOST_ROWS), chart.laneOf, (request) => {
      chart.select(request);
      chart.reveal(request);
      document.getElementById("request-title")?.focus();
    }));
  }

  function showLatest() {
    const last = store.get("requests").at(-1);
    if (last) chart.view.show(last.at - chart.view.span * 0.84, last.at + chart.view.span * 0.16);
    chart.moved();
    pause.focus();
  }

  function showTargets() {
    const chosen = app.target.get();
    const names = new Set(lanes.flatMap((lane) => [lane.service, lane.key].filter(Boolean)));
    if (chosen) names.add(chosen);
    const matches = (name) => lanes.filter((lane) => appliesTo({ target: name }, lane)).length;
    const options = [["", "every caller"], ...[...names].sort().map((name) => [name, `${name} · matches ${matches(name)}`])];
    const text = JSON.stringify([options, chosen]);
    if (target.dataset.text === text) return;
    target.dataset.text = text;
    replace(target, options.map(([value, name]) => h("option", { value }, name)));
    target.value = chosen ?? "";
  }

  function update() {
    lanes = lanesOf(store.get("requests"), store.get("callers"));
    bands = bandsOf({
      events: [...past.of("events", store), ...store.get("events")],
      faults: [...past.of("faults", store), ...store.get("faults")],
      planned: store.get("planned"),
      requests: store.get("requests"),
    });
    const ids = new Set(store.get("events").map(({ id }) => id));
    reads = store.get("firstReads").filter(({ event }) => ids.has(event)).map((read) => ({ ...read, at: Date.parse(read.time) }));
    chart.update(lanes, bands, reads);
    restore();
    if (chart.scene.selection) countSpan();
    empty.hidden = lanes.length > 0;
    chart.element.hidden = lanes.length === 0;
    armed.update(bands);
    showTargets();
    tick();
  }

  function tick() {
    const now = store.now();
    armed.tick(now);
    sampled.hidden = !store.isSampled();
    setText(zone, `${dateName(now)}. Times are in your browser's time zone, ${zoneName(now)}.`);
    seen.update(bands, lanes, reads, now);
  }

  /** Select the request in the address once it has arrived. */
  function restore() {
    if (!wanted) return;
    const found = store.get("requests").find(({ number }) => number === wanted);
    if (!found) return;
    wanted = 0;
    chart.select(found);
    chart.reveal(found);
  }

  let ticks = 0;
  const timer = setInterval(() => {
    tick();
    if ((ticks += 1) % 4 === 0) showTable();
  }, 250);
  const stops = ["requests", "callers", "events", "faults", "firstReads", "planned"].map((key) => store.subscribe(key, update));
  stops.push(app.target.subscribe(showTargets));
  const { parameters } = read();
  let wanted = Number(parameters.get("request"));
  const [viewed, selected] = [interval(parameters.get("view")), interval(parameters.get("span"))];
  if (viewed) chart.view.show(viewed.start, viewed.end);
  showDetails(panel, null);
  update();
  if (selected) chart.setSpan(selected);
  showView();
  return () => {
    clearInterval(timer);
    chart.destroy();
    for (const stop of stops) stop();
  };
}
