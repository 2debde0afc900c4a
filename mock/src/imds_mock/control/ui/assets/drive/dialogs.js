// The dialogs that arm events and faults, and play scenarios: from any view.

import { openDialog as open } from "../dialog.js";
import { h, replace } from "../dom.js";
import { formFor, prose } from "../forms.js";
import { commonFields, kindsOf, openApi } from "../schemas.js";
import { matchCount, targetList } from "../targets.js";
import { countdown } from "./armed.js";
import { scenarioForm } from "./scenarios.js";

const PATHS = { event: "/v1/events", fault: "/v1/faults" };

/**
 * Open a dialog.
 *
 * @param {string} kind A kind of event or fault; `event` or `fault` to choose a kind there; or `scenario`.
 * @param {object} app See main.js.
 * @returns {Promise<void>} Resolved once the dialog is open.
 */
export async function openDialog(kind, app) {
  try {
    if (kind === "scenario") return void openScenario(app);
    const document = await openApi(app.api);
    const chosen = find(kind, document);
    if (chosen) openKind(chosen, document, app);
    else app.notify(`This mock has no event or fault of the kind ${kind}.`, "bad");
  } catch (error) {
    app.notify(error.message, "bad");
  }
}

/** What a word selects in the API: a path, its kinds, and the kind to show first; null if nothing. */
function find(word, document) {
  for (const [what, path] of Object.entries(PATHS)) {
    const kinds = kindsOf(path, document);
    const one = kinds.find(({ kind }) => kind === word);
    if (one || word === what) return { what, path, kinds, one: one ?? kinds[0], isFixed: Boolean(one) };
  }
  return null;
}

function openKind({ what, path, kinds, one, isFixed }, document, app) {
  const place = h("div", {});
  const list = targetList("dialog-targets", app);
  let count = { stop() {} };
  const dialog = open({
    title: isFixed ? one.title : `Add ${what === "event" ? "an event" : "a fault"}`,
    body: [list.element],
    actions: [],
  });
  const show = (chosen) => {
    count.stop();
    const form = formFor(chosen.schema, {
      document,
      action: chosen.title,
      fixed: { kind: chosen.kind },
      last: commonFields(kinds),
      extras: {
        target(input) {
          input.setAttribute("list", "dialog-targets");
          input.value = app.target.get() ?? "";
          count = matchCount(input, app);
          return count.element;
        },
      },
      cancel: dialog.close,
      async submit(body) {
        const armed = await app.api.post(path, body);
        dialog.close();
        app.notify(`${armed.id}: ${countdown(armed, app.store.now())}.`);
        app.store.refresh("events", "faults").catch(() => {});
      },
    });
    replace(place, h("p", { class: "muted kind-more" }, prose(chosen.more)), form);
  };
  const chooser = h(
    "select",
    { id: "dialog-kind", onchange: (event) => show(kinds.find(({ kind }) => kind === event.target.value)) },
    kinds.map(({ kind, title }) => h("option", { value: kind }, `${title} (${kind})`)),
  );
  const choice = !isFixed && h("label", { class: "field kind-choice" }, h("span", {}, "Kind"), chooser);
  dialog.element.querySelector(".dialog-body").append(...[choice, place].filter(Boolean));
  show(one);
  dialog.closed.then(() => {
    count.stop();
    list.stop();
  });
}

function openScenario(app) {
  const dialog = open({ title: "Play a scenario", body: [], actions: [] });
  const form = scenarioForm(app, { played: dialog.close, cancel: dialog.close });
  dialog.element.classList.add("wide");
  dialog.element.querySelector(".dialog-body").append(form.element);
  dialog.closed.then(form.stop);
}
