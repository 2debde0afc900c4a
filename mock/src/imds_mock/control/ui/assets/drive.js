// The view "Drive": everything that changes the mock while it runs.

import { h, replace } from "./dom.js";
import { armedList } from "./drive/armed.js";
import { clockCard } from "./drive/clock.js";
import { openDialog } from "./drive/dialogs.js";
import { optionsCard } from "./drive/options.js";
import { scenarioForm } from "./drive/scenarios.js";
import { kindsOf, openApi } from "./schemas.js";
import { matchCount, targetList } from "./targets.js";

export { openDialog };

/** Show the view; returns a function that removes its subscriptions. */
export function mount(root, app) {
  const target = targetPicker(app);
  const kinds = h("div", { class: "kinds" }, h("p", { class: "muted" }, "Loading…"));
  const armed = armedList(app);
  const scenario = scenarioForm(app);
  const clock = clockCard(app);
  const options = optionsCard(app);
  root.append(
    h("h1", { class: "sr-only" }, "Drive"),
    h(
      "div",
      { class: "drive" },
      h(
        "div",
        { class: "stack" },
        h("section", { class: "card", "aria-label": "Arm events and faults" }, target.element, kinds),
        armed.element,
      ),
      h(
        "div",
        { class: "stack" },
        h(
          "section",
          { class: "card", "aria-labelledby": "scenario-title" },
          h("div", { class: "bar" }, h("h2", { id: "scenario-title" }, "Scenario")),
          h("div", { class: "card-body" }, scenario.element),
        ),
        clock.element,
        options.element,
      ),
    ),
  );
  let mounted = true;
  openApi(app.api)
    .then(
      (document) =>
        mounted &&
        replace(
          kinds,
          group("Events", kindsOf("/v1/events", document), app),
          group("Faults", kindsOf("/v1/faults", document), app),
        ),
    )
    .catch((error) => mounted && replace(kinds, h("p", { class: "error", role: "alert" }, error.message)));
  return () => {
    mounted = false;
    for (const part of [target, armed, scenario, clock, options]) part.stop();
  };
}

function targetPicker(app) {
  const list = targetList("drive-targets", app);
  const input = h("input", {
    id: "drive-target",
    list: "drive-targets",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "every caller",
    value: app.target.get() ?? "",
  });
  const count = matchCount(input, app);
  const clear = h("button", { type: "button", onclick: () => app.target.set(null) }, "Every caller");
  input.addEventListener("change", () => app.target.set(input.value.trim() || null));
  const show = (name) => {
    input.value = name ?? "";
    clear.hidden = !name;
    count.update();
  };
  const stop = app.target.subscribe(show);
  clear.hidden = !app.target.get();
  return {
    element: h(
      "div",
      { class: "bar target" },
      h("label", { for: "drive-target" }, "Target"),
      input,
      count.element,
      h("span", { class: "grow" }),
      clear,
      list.element,
    ),
    stop() {
      stop();
      list.stop();
      count.stop();
    },
  };
}

function group(title, kinds, app) {
  return h(
    "div",
    { class: "card-body" },
    h("h2", { class: "card-title" }, title),
    h(
      "div",
      { class: "kind-buttons" },
      kinds.map(({ kind, title: sentence }) =>
        h(
          "button",
          { type: "button", class: "kind", "data-kind": kind, onclick: () => openDialog(kind, app) },
          h("span", {}, `${sentence}…`),
          h("code", {}, kind),
        ),
      ),
    ),
  );
}
