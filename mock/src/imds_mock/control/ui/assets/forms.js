// Forms from the schemas of the API. The API checks the values; its sentences appear next to the fields.

import { h, replace } from "./dom.js";
import { allowsNull, members, resolve } from "./schemas.js";

const MOST_SHOWN = 1_000_000;

let count = 0;

/** Text with `code` in back-ticks. */
export function prose(text) {
  return text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

/**
 * A form with one field for each property of a schema.
 *
 * @param {object} schema The schema of an object.
 * @param {object} options
 * @param {object} options.document The OpenAPI document.
 * @param {(body: object) => Promise<any>} options.submit Sends the values; its `ApiError` is shown in the form.
 * @param {string} options.action The text of the button.
 * @param {object} [options.fixed] Properties that the body always has, without a field.
 * @param {string[]} [options.last] Names of the fields to show after all others, in this order.
 * @param {string} [options.lastTitle] Heading of these.
 * @param {object} [options.values] Values to begin with. A field that keeps its value is left out of the body.
 * @param {Record<string, (input: HTMLElement) => Node>} [options.extras] By name, what follows a field.
 * @param {() => void} [options.cancel] Adds a button that calls it.
 * @returns {HTMLFormElement}
 */
export function formFor(schema, options) {
  const { document: api, fixed = {}, last = [], values = {}, extras = {} } = options;
  const required = schema.required ?? [];
  const names = Object.keys(schema.properties).filter((name) => !(name in fixed));
  const fields = new Map();
  const make = (name) => {
    const field = fieldFor(name, schema.properties[name], api, values[name], required.includes(name));
    fields.set(name, field);
    if (extras[name]) field.element.append(extras[name](field.input));
    return field.element;
  };
  const own = names.filter((name) => !last.includes(name)).map(make);
  const common = last.filter((name) => names.includes(name)).map(make);
  const problem = h("p", { class: "error", role: "alert", hidden: true });
  const button = h("button", { type: "submit", class: "primary" }, options.action);
  const form = h(
    "form",
    { class: "stack api-form", novalidate: true },
    own.length > 0 && h("div", { class: "fields" }, own),
    common.length > 0 &&
      h(
        "fieldset",
        { class: "common" },
        h("legend", {}, options.lastTitle ?? "When and for whom"),
        h("div", { class: "fields" }, common),
      ),
    problem,
    h(
      "div",
      { class: "form-actions" },
      options.cancel && h("button", { type: "button", onclick: options.cancel }, "Cancel"),
      button,
    ),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = { ...fixed };
    for (const [name, field] of fields) {
      field.show("");
      const value = field.read();
      if (value !== undefined) body[name] = value;
    }
    await sending(
      button,
      problem,
      () => options.submit(body),
      (error) => place(error, fields),
    );
  });
  return form;
}

/**
 * Run what a button does: the button waits, and a refusal is shown.
 *
 * @param {(error: Error) => string} [placed] Shows what it can elsewhere, and returns the rest.
 */
export async function sending(button, problem, act, placed = (error) => error.message) {
  button.disabled = true;
  problem.hidden = true;
  try {
    await act();
  } catch (error) {
    const rest = placed(error);
    replace(problem, rest);
    problem.hidden = !rest;
  } finally {
    button.disabled = false;
  }
}

/** Show each invalid field's sentence next to the field; returns what belongs to none. */
function place(error, fields) {
  const rest = [];
  let first = null;
  for (const { field, detail } of error.errors ?? []) {
    const found = fields.get(field) ?? fields.get(field.split(/[.[]/).pop()) ?? fields.get(field.split(/[.[]/)[0]);
    if (!found) rest.push(field ? `${field}: ${detail}` : detail);
    else found.show(detail.startsWith(`${field}: `) ? detail.slice(field.length + 2) : detail);
    first ??= found;
  }
  first?.input.focus();
  return error.errors?.length ? rest.join("\n") : error.message;
}

/** One field: its element, its input, how to read it and how to show its problem. */
export function fieldFor(name, schema, api, value, isRequired = false) {
  const whole = resolve(schema, api);
  const kinds = members(schema, api);
  const [held] = [value ?? whole.default];
  const id = `field-${++count}`;
  const control = controlFor({ id, kinds, held, whole, isNullable: allowsNull(schema, api), isRequired });
  const problem = h("span", { class: "error", id: `${id}-problem`, role: "alert" });
  const description = whole.description ?? "";
  const hint = description && h("small", { id: `${id}-hint` }, prose(withLimits(description, kinds)));
  control.input.setAttribute("aria-describedby", `${hint ? `${id}-hint ` : ""}${id}-problem`);
  const label = h(
    "label",
    { for: id },
    h("span", { class: "mono" }, name),
    isRequired && h("span", { class: "muted" }, " required"),
  );
  const element = h("div", { class: ["field", control.isCheck && "check"] }, label, control.input, hint, problem);
  return {
    element,
    input: control.input,
    read: control.read,
    show(sentence) {
      problem.textContent = sentence;
      if (sentence) control.input.setAttribute("aria-invalid", "true");
      else control.input.removeAttribute("aria-invalid");
    },
  };
}

function withLimits(description, kinds) {
  const [only] = kinds;
  if (kinds.length !== 1 || only.minimum === undefined || only.maximum === undefined || only.maximum > MOST_SHOWN)
    return description;
  return `${description.replace(/\.$/, "")}, from ${only.minimum} to ${only.maximum}.`;
}

function controlFor({ id, kinds, held, whole, isNullable, isRequired }) {
  const choices = kinds.every((kind) => kind.enum) ? kinds.flatMap((kind) => kind.enum) : null;
  const types = kinds.map((kind) => kind.type);
  if (choices) {
    const first = (isNullable || isRequired) && (held === undefined || held === null);
    const options = choices.map((each) => h("option", { value: String(each) }, String(each)));
    const input = h(
      "select",
      { id, required: isRequired },
      first && h("option", { value: "" }, isRequired ? "choose…" : "default"),
      options,
    );
    input.value = first ? "" : String(held ?? choices[0]);
    const before = input.value;
    const read = () =>
      input.value === "" || input.value === before
        ? isRequired && input.value
          ? input.value
          : undefined
        : input.value;
    return { input, read };
  }
  if (types.every((type) => type === "boolean")) {
    const input = h("input", { type: "checkbox", id, checked: Boolean(held) });
    return { input, isCheck: true, read: () => (input.checked === Boolean(held) ? undefined : input.checked) };
  }
  const isPlain = types.every((type) => ["string", "number", "integer"].includes(type));
  const begin = held === undefined || held === null ? "" : isPlain ? String(held) : JSON.stringify(held, null, 2);
  const example = kinds.flatMap((kind) => kind.examples ?? [])[0] ?? whole.examples?.[0];
  const isNumber = isPlain && !types.includes("string");
  const input = h(isPlain ? "input" : "textarea", {
    id,
    value: begin,
    required: isRequired,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: example ? `for example ${example}` : null,
    inputmode: isNumber ? "decimal" : null,
  });
  return {
    input,
    read() {
      const text = input.value.trim();
      if (text === begin.trim()) return undefined;
      if (text === "") return isNullable ? null : "";
      return isPlain ? number(text, isNumber) : json(text);
    },
  };
}

/** A number where the API takes nothing else; anything else as text, so that the API can say what it expects. */
function number(text, isNumber) {
  return isNumber && Number.isFinite(Number(text)) ? Number(text) : text;
}

function json(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
