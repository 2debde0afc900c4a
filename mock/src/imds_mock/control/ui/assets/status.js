// The view "Status": the mock's load, its configuration with the source of each setting, and its API.

import { h, replace, setText } from "./dom.js";
import { openApi } from "./schemas.js";
import { apiPages } from "./status/openapi.js";
import { settingsTable } from "./status/settings.js";

const EVERY_MS = 2000;
const POINTS = 90;

const NUMBERS = {
  rate: "Requests/s",
  p50: "Median duration",
  p99: "p99 duration",
  imdsv1: "IMDSv1 share",
  tokens: "Tokens issued",
  refused: "Tokens rejected",
  memory: "Memory",
  uptime: "Uptime",
};

/** Show the view; returns a function that removes its subscriptions. */
export function mount(root, app) {
  const shown = Object.fromEntries(Object.keys(NUMBERS).map((key) => [key, h("dd", { class: "number" }, "–")]));
  const note = h("p", { class: "muted small" });
  const peak = h("p", { class: "muted small chart-note" });
  const line = h("path", { class: "spark", d: "" });
  const chart = h(
    "svg",
    {
      class: "chart",
      viewBox: `0 0 ${POINTS} 30`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": "Requests per second over the last three minutes",
    },
    line,
  );
  const settings = settingsTable(app);
  const pages = h("div", { class: "card-body" }, h("p", { class: "muted" }, "Loading…"));
  root.append(
    h("h1", { class: "sr-only" }, "Status"),
    h(
      "div",
      { class: "stack" },
      h(
        "section",
        { class: "card", "aria-labelledby": "load-title" },
        h("div", { class: "bar" }, h("h2", { id: "load-title" }, "Load"), h("span", { class: "grow" }), note),
        h(
          "dl",
          { class: "numbers" },
          Object.entries(NUMBERS).map(([key, title]) => h("div", {}, h("dt", {}, title), shown[key])),
        ),
        chart,
        peak,
      ),
      settings.element,
      h(
        "section",
        { class: "card", "aria-labelledby": "api-title" },
        h(
          "div",
          { class: "bar" },
          h("h2", { id: "api-title" }, "API"),
          h("span", { class: "grow" }),
          h("code", { class: "muted" }, "GET /openapi.json"),
        ),
        pages,
      ),
    ),
  );
  const points = [];
  let [mounted, timer] = [true, null];
  async function poll() {
    try {
      if (!document.hidden) {
        const [found, status] = await Promise.all([
          app.api.get("/v1/statistics"),
          app.store.get("status") ?? app.api.get("/v1/status"),
        ]);
        if (mounted) show(found, status);
      }
    } catch (error) {
      if (mounted) setText(note, error.message);
    }
    if (mounted) timer = setTimeout(poll, EVERY_MS);
  }
  function show(found, status) {
    const { tokens } = found;
    const texts = {
      rate: rate(found.requests_per_second),
      p50: time(found.p50_microseconds),
      p99: time(found.p99_microseconds),
      imdsv1: found.imdsv1_share === null ? "–" : `${Number((found.imdsv1_share * 100).toFixed(1))} %`,
      tokens: tokens.issued.toLocaleString("en"),
      refused: tokens.rejected.toLocaleString("en"),
      memory: found.memory_bytes === null ? "–" : `${(found.memory_bytes / 1_048_576).toFixed(0)} MiB`,
      uptime: span(found.uptime_seconds),
    };
    for (const [key, text] of Object.entries(texts)) setText(shown[key], text);
    shown.imdsv1.classList.toggle("v1", found.imdsv1_share > 0);
    shown.refused.classList.toggle("bad", tokens.rejected > 0);
    setText(
      note,
      `imds-mock ${status.version} · ${status.requests.toLocaleString("en")} requests · durations and shares of the last 10 s`,
    );
    points.push(found.requests_per_second);
    if (points.length > POINTS) points.shift();
    const most = Math.max(...points, 1);
    setText(peak, `Requests/s over the last three minutes; highest ${rate(Math.max(...points))}`);
    const from = POINTS - points.length;
    line.setAttribute(
      "d",
      points
        .map((each, index) => `${index ? "L" : "M"}${from + index + 0.5} ${(28 - (each / most) * 26).toFixed(2)}`)
        .join(""),
    );
  }
  poll();
  openApi(app.api)
    .then((api) => mounted && replace(pages, apiPages(api)))
    .catch((error) => mounted && replace(pages, h("p", { class: "error", role: "alert" }, error.message)));
  return () => {
    mounted = false;
    clearTimeout(timer);
    settings.stop();
  };
}

function rate(number) {
  return number < 100 ? number.toFixed(1) : Math.round(number).toLocaleString("en");
}

function time(microseconds) {
  if (microseconds === null) return "–";
  if (microseconds < 1000) return `${microseconds} µs`;
  return microseconds < 1_000_000
    ? `${(microseconds / 1000).toFixed(1)} ms`
    : `${(microseconds / 1_000_000).toFixed(2)} s`;
}

function span(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86_400).toFixed(1)} d`;
}
