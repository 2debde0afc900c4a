// The armed events and faults: their parameters, targets, countdowns and actions.

import { h, replace, setText } from "../dom.js";
import { prose } from "../forms.js";
import { kindsOf, openApi, ownDefaults } from "../schemas.js";
import { matches } from "../targets.js";

/** A duration in words: `1:12`, `2 h 5 min`, `3 d 4 h`. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** What remains of an event or fault, in words; `now` in milliseconds on the mock's clock. */
export function countdown(armed, now) {
  const [starts, ends] = [Date.parse(armed.starts), armed.ends && Date.parse(armed.ends)];
  if (armed.state === "pending" || (armed.state === "active" && now < starts))
    return `starts in ${duration(starts - now)}`;
  if (armed.state !== "active") return armed.state;
  const action = Date.parse(armed.action_at);
  if (now < action && (!ends || action < ends)) return `${armed.action} in ${duration(action - now)}`;
  return ends ? (now < ends ? `ends in ${duration(ends - now)}` : "ended") : "active, no end";
}

/** The parameters of an event or fault as words: those of its kind, and the common ones that differ from their defaults. */
export function parameters(armed, defaults = {}) {
  const { kind, in: _in, at, for: _for, target, ...given } = armed.event ?? armed.fault;
  const shown = Object.entries({ ...defaults[kind], ...given });
  return shown.map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`);
}

/** The list, kept up to date; returns the element and its `stop`. */
export function armedList(app) {
  const rows = new Map();
  let defaults = {};
  const body = h("div", { class: "armed-rows" });
  const empty = h("p", { class: "empty" }, "No events or faults are armed.");
  const clear = h("button", { type: "button", onclick: removeAll }, "Remove all");
  const element = h(
    "section",
    { class: "card", "aria-labelledby": "armed-title" },
    h("div", { class: "bar" }, h("h2", { id: "armed-title" }, "Armed"), h("span", { class: "grow" }), clear),
    h("div", { class: "card-body" }, empty, body),
  );

  async function act(method, path, content) {
    try {
      await (method === "delete" ? app.api.delete(path) : app.api.post(path, content));
    } catch (error) {
      app.notify(error.message, "bad");
    }
    await app.store.refresh("events", "faults").catch(() => {});
  }
  async function removeAll() {
    await act("delete", "/v1/events");
    await act("delete", "/v1/faults");
  }
  function row(armed) {
    const isEvent = Boolean(armed.event);
    const path = `/v1/${isEvent ? "events" : "faults"}/${encodeURIComponent(armed.id)}`;
    const button = (text, ...what) =>
      h("button", { type: "button", "aria-label": `${text} ${armed.id}`, onclick: () => act(...what) }, text);
    const isOver = !["pending", "active"].includes(armed.state);
    const { in: _in, at, ...again } = armed.fault ?? {};
    const left = h("span", { class: "number left" });
    const details = parameters(armed, defaults);
    const hits =
      armed.hits === undefined ? "" : ` · ${armed.hits} ${armed.hits === 1 ? "response" : "responses"} changed`;
    const made = h(
      "article",
      { class: ["armed", armed.state, isEvent ? "event" : "fault"], "aria-label": armed.id, "data-id": armed.id },
      h(
        "div",
        { class: "grow break" },
        h(
          "div",
          {},
          h("b", {}, armed.id),
          details.length > 0 && h("span", { class: "mono small params" }, details.join(" · ")),
        ),
        h(
          "div",
          { class: "muted small" },
          armed.target ? `${armed.target} · ${matches(armed.callers)}` : "every caller",
          hits,
        ),
        armed.warning && h("div", { class: "v1 small" }, prose(armed.warning)),
      ),
      left,
      h(
        "div",
        { class: "armed-actions" },
        isEvent && !isOver && button("Cancel", "post", `${path}/cancel`),
        isEvent && armed.state === "active" && button("End", "post", `${path}/end`),
        isEvent && button("Re-arm", "post", `${path}/rearm`, {}),
        !isEvent && isOver && button("Re-arm", "post", "/v1/faults", again),
        button("Remove", "delete", path),
      ),
    );
    return { made, left };
  }
  function show() {
    const listed = [...app.store.get("events"), ...app.store.get("faults")];
    empty.hidden = listed.length > 0;
    clear.hidden = listed.length === 0;
    const ids = new Set(listed.map((each) => each.id));
    for (const id of [...rows.keys()]) if (!ids.has(id)) rows.delete(id);
    let changed = listed.length !== body.childElementCount;
    for (const each of listed) {
      const known = rows.get(each.id);
      const text = JSON.stringify(each);
      if (known?.text === text) continue;
      rows.set(each.id, { ...row(each), text, each });
      changed = true;
    }
    if (changed) {
      const focused =
        document.activeElement?.closest?.(".armed-rows") && document.activeElement.getAttribute("aria-label");
      replace(
        body,
        listed.map((each) => rows.get(each.id).made),
      );
      if (focused)
        (
          [...body.querySelectorAll("button")].find((each) => each.getAttribute("aria-label") === focused) ??
          body.querySelector("button")
        )?.focus();
    }
    tick();
  }
  function tick() {
    const now = app.store.now();
    for (const { left, each } of rows.values()) setText(left, countdown(each, now));
  }
  show();
  openApi(app.api)
    .then((document) => {
      defaults = ownDefaults(kindsOf("/v1/events", document));
      Object.assign(defaults, ownDefaults(kindsOf("/v1/faults", document)));
      rows.clear();
      show();
    })
    .catch(() => {}); // the view reports it
  const stops = [app.store.subscribe("events", show), app.store.subscribe("faults", show)];
  const timer = setInterval(tick, 250);
  return {
    element,
    stop() {
      clearInterval(timer);
      for (const stop of stops) stop();
    },
  };
}
