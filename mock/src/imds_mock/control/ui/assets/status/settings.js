// The configuration: every setting with its value and its source.

import { keep, read } from "../address.js";
import { h, replace, setText } from "../dom.js";

const EVERY_MS = 5000;

function textOf(value) {
  if (value === null) return "null";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The table; returns the element and its `stop`. */
export function settingsTable(app) {
  const search = h("input", {
    id: "settings-search",
    type: "search",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "key, value or source",
  });
  const { parameters } = read();
  search.value = parameters.get("search") ?? "";
  const all = h("input", { id: "settings-all", type: "checkbox", checked: parameters.has("defaults") });
  const body = h("tbody", {});
  const summary = h("span", { class: "muted small", role: "status" });
  const element = h(
    "section",
    { class: "card", "aria-labelledby": "settings-title" },
    h(
      "div",
      { class: "bar" },
      h("h2", { id: "settings-title" }, "Configuration"),
      h("label", { class: "inline", for: "settings-search" }, h("span", {}, "Search"), search),
      h("label", { class: "inline check" }, all, h("span", {}, "Show defaults")),
      h("span", { class: "grow" }),
      summary,
    ),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Settings" },
      h(
        "table",
        { class: "settings" },
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Setting", "Value", "Source"].map((name) => h("th", { scope: "col" }, name)),
          ),
        ),
        body,
      ),
    ),
  );
  let [settings, drawn, mounted, timer] = [[], "", true, null];

  async function load() {
    clearTimeout(timer);
    const began = performance.now();
    try {
      if (!document.hidden) settings = await app.api.get("/v1/settings");
      if (mounted) draw();
    } catch (error) {
      if (mounted) setText(summary, error.message);
    }
    if (mounted) timer = setTimeout(load, Math.max(EVERY_MS, 10 * (performance.now() - began)));
  }
  function draw() {
    keep({ search: search.value.trim(), defaults: all.checked ? "shown" : "" });
    const text = search.value.trim().toLowerCase();
    const found = settings.filter(
      (each) =>
        (all.checked || text || each.source !== "default") &&
        (!text || `${each.key} ${textOf(each.value)} ${each.source}`.toLowerCase().includes(text)),
    );
    const signature = JSON.stringify(found);
    setText(summary, `${found.length} of ${settings.length} settings`);
    if (signature === drawn) return;
    drawn = signature;
    replace(
      body,
      found.map(row),
      !found.length && h("tr", {}, h("td", { colspan: 3, class: "muted" }, text ? "No setting matches." : "No setting differs from its default.")),
    );
  }
  function row(each) {
    const isChanged = each.source === "control plane";
    const revert = async () => {
      try {
        await app.api.post("/v1/config", { [each.key]: each.at_start });
        app.notify(`Reverted ${each.key}.`);
      } catch (error) {
        app.notify(error.message, "bad");
      }
      load();
    };
    return h(
      "tr",
      {},
      h("th", { scope: "row", class: "mono" }, each.key),
      h(
        "td",
        { class: "mono" },
        textOf(each.value),
        isChanged && h("div", { class: "muted" }, `at the start: ${textOf(each.at_start)}`),
      ),
      h(
        "td",
        { class: each.source === "default" ? "muted" : null },
        each.source,
        isChanged &&
          h(
            "button",
            { type: "button", class: "quiet", "aria-label": `Revert ${each.key}`, onclick: revert },
            "Revert",
          ),
      ),
    );
  }
  search.addEventListener("input", draw);
  all.addEventListener("input", draw);
  load();
  return {
    element,
    stop() {
      mounted = false;
      clearTimeout(timer);
    },
  };
}
