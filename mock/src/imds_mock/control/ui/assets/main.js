// Start: the views, the router, and the chips in the header.

import * as address from "./address.js";
import { api } from "./api.js";
import * as callers from "./callers.js";
import { notify } from "./dialog.js";
import { h, replace } from "./dom.js";
import * as drive from "./drive.js";
import * as metadata from "./metadata.js";
import * as status from "./status.js";
import { store } from "./store.js";
import * as timeline from "./timeline.js";

const VIEWS = { timeline, callers, metadata, drive, status };
const TITLES = { timeline: "Timeline", callers: "Callers", metadata: "Metadata", drive: "Drive", status: "Status" };

function selection(value) {
  const listeners = new Set();
  return {
    /** The selected target, an address, container or service name; null: every caller. */
    get: () => value,
    set(next) {
      value = next || null;
      for (const listener of listeners) listener(value);
    },
    /** Call a function with each new target; returns the end of the subscription. */
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

const WITH_TARGET = new Set(["timeline", "drive"]);

const app = { api, store, notify, target: selection(null) };
const main = document.getElementById("main");
const nav = document.getElementById("nav");
let unmount = () => {};
let shown = null;

function show() {
  const { name, parameters } = address.read();
  const next = Object.hasOwn(VIEWS, name) ? name : "timeline";
  unmount();
  address.drop();
  const isFirst = shown === null;
  shown = next;
  replace(main);
  main.className = `view-${next}`;
  document.title = `${TITLES[next]} · imds-mock`;
  for (const link of nav.children) {
    if (link.dataset.view === next) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (parameters.has("target")) app.target.set(parameters.get("target"));
  unmount = VIEWS[next].mount(main, app) ?? (() => {});
  keepTarget(app.target.get());
  if (!isFirst) main.focus();
}

function keepTarget(target) {
  if (WITH_TARGET.has(shown)) address.keep({ target });
}

function count(number, one, many) {
  return [h("b", {}, String(number)), ` ${number === 1 ? one : many}`];
}

function chips() {
  const listed = store.get("callers");
  const old = new Set(listed.filter((each) => each.imdsv1 > 0).map((each) => each.names[0] ?? each.address)).size;
  const clock = store.get("clock");
  const rate = store.rate();
  replace(
    document.getElementById("chips"),
    h("span", { class: "chip" }, count(new Set(listed.map((each) => each.names[0] ?? each.address)).size, "caller", "callers")),
    h("span", { class: "chip" }, h("b", {}, rate < 100 ? rate.toFixed(1) : String(Math.round(rate))), " requests/s"),
    old > 0 && h("a", { class: "chip warn", href: "#/callers" }, count(old, "caller uses IMDSv1", "callers use IMDSv1")),
    clock && h("span", { class: ["chip", !clock.is_real && "moved"] }, "clock ", h("b", {}, shownClock(clock))),
  );
}

function shownClock(clock) {
  if (clock.is_real) return "real";
  const seconds = Math.abs(clock.offset_seconds);
  const size = seconds < 120 ? `${Math.round(seconds)} s` : seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
  return `${clock.offset_seconds < 0 ? "−" : "+"}${size}`;
}

function connection(state) {
  const notice = document.getElementById("connection");
  notice.hidden = state !== "closed";
  notice.textContent = state === "closed" ? store.get("reason") || "The mock does not answer. This page reconnects as soon as it does." : "";
}

replace(
  nav,
  Object.entries(TITLES).map(([name, title]) => h("a", { href: `#/${name}`, "data-view": name }, title)),
);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
window.addEventListener("hashchange", show);
app.target.subscribe(keepTarget);
for (const key of ["callers", "clock", "status"]) store.subscribe(key, chips);
store.subscribe("connection", connection);
show();
store.start();
