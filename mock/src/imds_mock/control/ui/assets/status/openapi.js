// The API reference, from the OpenAPI document: operations by group, with parameters, bodies and responses.

import { h } from "../dom.js";
import { prose } from "../forms.js";
import { allowsNull, members, resolve } from "../schemas.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
const DEEPEST = 8;

/** The pages. */
export function apiPages(document) {
  const groups = new Map();
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const method of METHODS.filter((each) => each in methods)) {
      const operation = methods[method];
      const group = operation.tags?.[0] ?? "other";
      if (!groups.has(group)) groups.set(group, []);
      groups.get(group).push(page(method, path, operation, document));
    }
  }
  return [
    h("p", { class: "muted" }, document.info.description),
    h(
      "div",
      { class: "api-groups" },
      [...groups].map(([name, pages]) => h("div", { class: "api-group" }, h("h3", {}, name), pages)),
    ),
  ];
}

/** An element whose content is made when it is first opened. */
function lazy(className, summary, content) {
  const element = h("details", { class: className }, h("summary", {}, summary));
  element.addEventListener("toggle", () => {
    if (element.open && element.childElementCount === 1) element.append(h("div", { class: "below" }, content()));
  });
  return element;
}

function page(method, path, operation, document) {
  const line = [
    h("span", { class: ["method", method] }, method.toUpperCase()),
    h("code", {}, path),
    h("span", { class: "muted" }, operation.summary),
  ];
  return lazy("operation", line, () => {
    const parameters = operation.parameters ?? [];
    const body = operation.requestBody?.content ?? {};
    return [
      parameters.length > 0 && [
        h("h4", {}, "Parameters"),
        table(
          parameters.map((each) => [each.name, each.schema, each.required, each.in]),
          document,
        ),
      ],
      Object.entries(body).map(([media, { schema }]) => [
        h("h4", {}, "Body, ", h("code", {}, media)),
        describe(schema, document),
      ]),
      h("h4", {}, "Responses"),
      Object.entries(operation.responses).map(([status, response]) => answer(status, response, document)),
    ];
  });
}

function answer(status, response, document) {
  const [[media, { schema }] = [null, {}]] = Object.entries(response.content ?? {});
  const line = [
    h("b", { class: status < "300" ? "ok" : "bad" }, status),
    " ",
    prose(response.description),
    media && h("code", { class: "muted" }, media),
  ];
  return media ? lazy("answer", line, () => describe(schema, document)) : h("p", { class: "answer" }, line);
}

/** What a schema says, with the properties of objects as tables. */
function describe(schema, document, depth = 0) {
  const whole = resolve(schema, document);
  if (depth > DEEPEST) return h("p", { class: "muted" }, "…");
  if (whole.allOf)
    return whole.allOf.filter((each) => each.$ref || each.type).map((each) => describe(each, document, depth + 1));
  const kinds = members(whole, document);
  if (kinds.length > 1)
    return [h("p", { class: "muted" }, "One of:"), kinds.map((kind) => option(kind, document, depth))];
  const [only] = kinds;
  if (!only) return h("p", {}, "null");
  const text = only.description?.split("\n\nAttributes:")[0];
  const about = text && h("p", {}, prose(text));
  if (only.properties) {
    const required = only.required ?? [];
    return [
      about,
      table(
        Object.entries(only.properties).map(([name, each]) => [name, each, required.includes(name), ""]),
        document,
        depth,
      ),
    ];
  }
  if (only.type === "array" && only.items)
    return [about, h("p", { class: "muted" }, "A list of:"), describe(only.items, document, depth + 1)];
  if (typeof only.additionalProperties === "object")
    return [
      about,
      h("p", { class: "muted" }, "A mapping of text to:"),
      describe(only.additionalProperties, document, depth + 1),
    ];
  return [about, h("p", { class: "mono" }, words(only, document))];
}

function option(kind, document, depth) {
  const name = kind.properties?.kind?.enum?.[0] ?? kind.title ?? words(kind, document);
  return kind.properties
    ? lazy("answer", h("code", {}, name), () => describe(kind, document, depth + 1))
    : h("p", { class: "mono" }, words(kind, document));
}

function table(rows, document, depth = 0) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Fields" },
    h(
      "table",
      { class: "schema" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Name", "Value", "Meaning"].map((name) => h("th", { scope: "col" }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map(([name, schema, isRequired, where]) => row(name, schema, isRequired, where, document, depth)),
      ),
    ),
  );
}

function row(name, schema, isRequired, where, document, depth) {
  const whole = resolve(schema, document);
  const nested = members(whole, document).some(
    (kind) => kind.properties || resolve(kind.items, document).properties || resolve(kind.items, document).anyOf,
  );
  const value = [
    words(whole, document),
    whole.default !== undefined && whole.default !== null && `, default ${JSON.stringify(whole.default)}`,
  ];
  return h(
    "tr",
    {},
    h(
      "th",
      { scope: "row", class: "mono" },
      name,
      isRequired && h("span", { class: "muted" }, " required"),
      where && h("span", { class: "muted" }, ` in ${where}`),
    ),
    h("td", {}, nested ? lazy("answer", value, () => describe(whole, document, depth + 1)) : value),
    h("td", {}, whole.description ? prose(whole.description.split("\n\nAttributes:")[0]) : ""),
  );
}

/** The type of a schema in words. */
function words(schema, document) {
  const names = members(schema, document).map((kind) => word(kind, document));
  if (allowsNull(schema, document)) names.push("null");
  return [...new Set(names)].join(" or ") || "anything";
}

function word(kind, document) {
  if (kind.enum) return kind.enum.map((each) => JSON.stringify(each)).join(" or ");
  if (kind.const !== undefined) return JSON.stringify(kind.const);
  if (kind.type === "array") return kind.items ? `list of ${words(kind.items, document)}` : "list";
  if (kind.properties || kind.type === "object") return kind.title ?? "object";
  const range =
    kind.minimum !== undefined && kind.maximum !== undefined ? ` from ${kind.minimum} to ${kind.maximum}` : "";
  const example = kind.examples?.[0] ? `, such as ${kind.examples[0]}` : "";
  const type =
    { string: "text", integer: "whole number", boolean: "true or false" }[kind.type] ?? kind.type ?? "anything";
  return `${type}${range}${example}`;
}
