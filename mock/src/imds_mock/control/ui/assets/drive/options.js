// The metadata options of the instance, and the reset of the mock.

import { openDialog } from "../dialog.js";
import { h, replace } from "../dom.js";
import { formFor, sending } from "../forms.js";
import { openApi, resolve } from "../schemas.js";

const PATH = "/v1/metadata-options";

/** The card; returns the element and its `stop`. */
export function optionsCard(app) {
  const place = h("div", { class: "card-body" });
  let mounted = true;
  async function load() {
    try {
      const [document, values] = await Promise.all([openApi(app.api), app.api.get(PATH)]);
      if (!mounted) return;
      const schema = resolve({ $ref: "#/components/schemas/MetadataOptions" }, document);
      const form = formFor(
        { ...schema, required: [] },
        {
          document,
          values,
          action: "Change options",
          async submit(body) {
            await app.api.patch(PATH, body);
            app.notify("Metadata options changed.");
            app.store.refresh("status").catch(() => {});
            load();
          },
        },
      );
      replace(place, form);
    } catch (error) {
      if (mounted) replace(place, h("p", { class: "error", role: "alert" }, error.message));
    }
  }
  const reset = h("button", { type: "button", class: "danger", onclick: () => confirmReset(app, load) }, "Reset…");
  const element = h(
    "section",
    { class: "card", "aria-labelledby": "options-title" },
    h("details", { class: "panel" }, h("summary", {}, h("h2", { id: "options-title" }, "Metadata options")), place),
    h(
      "div",
      { class: "bar foot" },
      h("span", { class: "muted" }, "Return to the state at the start"),
      h("span", { class: "grow" }),
      reset,
    ),
  );
  load();
  return { element, stop: () => (mounted = false) };
}

function confirmReset(app, then) {
  const keep = h("input", { type: "checkbox", id: "reset-keep" });
  const problem = h("p", { class: "error", role: "alert", hidden: true });
  const button = h(
    "button",
    { type: "button", class: "danger", onclick: () => sending(button, problem, act) },
    "Reset",
  );
  const dialog = openDialog({
    title: "Reset the mock",
    body: [
      h(
        "p",
        {},
        "Returns to real time and the initial configuration, and removes all events, faults and recorded requests.",
      ),
      h("label", { class: "field check" }, h("span", {}, "Keep the recorded requests"), keep),
      problem,
    ],
    actions: [h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"), button],
  });
  async function act() {
    await app.api.post(`/v1/reset${keep.checked ? "?keep_journal=true" : ""}`);
    dialog.close();
    app.notify("The mock has been reset.");
    await app.store.refresh("status", "clock", "events", "faults", "callers").catch(() => {});
    then();
  }
}
