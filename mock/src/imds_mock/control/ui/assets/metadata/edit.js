// The dialogs that change a leaf: by its setting, so that derived values are updated to match, or by its path alone.

import { openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { sending } from "../forms.js";

function metadataPath(path) {
  return `/v1/metadata/${path.split("/").map(encodeURIComponent).join("/")}`;
}

function textOf(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A dialog with fields, a line for problems, and a button that sends. */
function ask({ title, body, input, action, send, reload }) {
  const problem = h("p", { class: "error", id: "edit-problem", role: "alert", hidden: true });
  const button = h("button", { type: "submit", class: "primary" }, action);
  input.setAttribute("aria-describedby", "edit-problem");
  const form = h(
    "form",
    { class: "stack", novalidate: true },
    body,
    problem,
    h(
      "div",
      { class: "form-actions" },
      h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
      button,
    ),
  );
  const dialog = openDialog({ title, body: form, actions: [] });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    input.removeAttribute("aria-invalid");
    sending(
      button,
      problem,
      async () => {
        await send();
        // Close first: the focus then returns to the button in the tree, and the reloaded tree keeps it there.
        dialog.close();
        await reload();
      },
      (error) => {
        input.setAttribute("aria-invalid", "true");
        input.focus();
        return error.errors?.length ? error.errors.map(({ detail }) => detail).join("\n") : error.message;
      },
    );
  });
  input.focus();
}

/** Ask for a leaf's new value, and set it. */
export async function editLeaf(leaf, { app, reload }) {
  const [key] =
    leaf.source === "override" || leaf.source === "event" ? [] : leaf.settings.filter((each) => !each.endsWith("/"));
  let setting = "";
  if (key) {
    try {
      setting = textOf((await app.api.get(`/v1/config/${key.split(".").map(encodeURIComponent).join("/")}`)).value);
    } catch {
      setting = ""; // not set
    }
  }
  // If the setting is not set and the leaf shows its derived value, editing starts from that value.
  const isNamed = key && leaf.path.endsWith(`/${key.split(".").pop().replaceAll("_", "-")}`);
  if (!setting && isNamed) setting = leaf.value ?? "";
  const isBinary = leaf.value === null || leaf.value === undefined;
  const text = isBinary ? leaf.base64 : leaf.value;
  const choice = (value, checked, ...label) =>
    h(
      "label",
      { class: "choice" },
      h("input", {
        type: "radio",
        name: "how",
        value,
        checked,
        onchange: () => (input.value = value === "setting" ? setting : text),
      }),
      h("span", {}, label),
    );
  const bySetting = Boolean(key) && (leaf.source === "setting" || leaf.source === "derived");
  const input = h("textarea", {
    id: "edit-value",
    rows: Math.min(12, Math.max(3, text.split("\n").length)),
    spellcheck: "false",
    value: bySetting ? setting : text,
  });
  const how =
    bySetting &&
    h(
      "fieldset",
      { class: "choices" },
      h("legend", {}, "Change"),
      choice("setting", true, "the setting ", h("code", {}, key), " and the values derived from it"),
      choice("path", false, "only this path"),
    );
  const isSetting = () => bySetting && how.querySelector("input:checked").value === "setting";
  ask({
    title: "Edit a leaf",
    input,
    action: "Save",
    body: [
      h("p", { class: "mono break" }, leaf.path),
      how,
      h("label", { class: "field" }, h("span", {}, isBinary ? "Value in base64" : "Value"), input),
      leaf.source === "event" &&
        h("p", { class: "muted small" }, "An event changes this value now. Your value appears when the event ends."),
    ],
    async send() {
      if (isSetting()) await app.api.post("/v1/config", { [key]: input.value });
      else await app.api.put(metadataPath(leaf.path), { value: isBinary ? { $base64: input.value } : input.value });
      app.notify(
        isSetting() ? `Changed ${key} and the values derived from it.` : `Changed ${leaf.path} for every caller.`,
      );
    },
    reload,
  });
}

/** Ask for a new path and its value, and set it. */
export function newLeaf({ app, reload }) {
  const path = h("input", {
    id: "edit-path",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "meta-data/tags/instance/Name",
    required: true,
  });
  const value = h("textarea", { id: "edit-value", rows: 3, spellcheck: "false" });
  ask({
    title: "Add a path",
    input: path,
    action: "Add",
    body: [
      h("label", { class: "field" }, h("span", {}, "Path"), path),
      h("label", { class: "field" }, h("span", {}, "Value"), value),
    ],
    async send() {
      const written = path.value.trim().replace(/^\/+|\/+$/g, "");
      await app.api.put(metadataPath(written), { value: value.value });
      app.notify(`Added ${written} for every caller.`);
    },
    reload,
  });
}
