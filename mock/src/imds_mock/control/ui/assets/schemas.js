// The mock's OpenAPI document: fetched once, and read as far as forms and the API reference need it.

let loaded = null;

/** The document; fetched at the first call. */
export function openApi(api) {
  loaded ??= api.get("/openapi.json").catch((error) => {
    loaded = null;
    throw error;
  });
  return loaded;
}

/** A schema with its references followed. */
export function resolve(schema, document) {
  const seen = new Set();
  while (schema?.$ref && !seen.has(schema.$ref)) {
    seen.add(schema.$ref);
    schema = document.components.schemas[schema.$ref.split("/").pop()];
  }
  return schema ?? {};
}

/** The members of a union, nested ones included, without `null`. */
export function members(schema, document) {
  const whole = resolve(schema, document);
  if (!whole.anyOf) return whole.type === "null" ? [] : [whole];
  const { anyOf, ...common } = whole;
  const inherits = common.type || common.enum ? common : {};
  return anyOf.flatMap((member) => members({ ...inherits, ...resolve(member, document) }, document));
}

/** Whether a schema allows `null`. */
export function allowsNull(schema, document) {
  const whole = resolve(schema, document);
  return whole.type === "null" || (whole.anyOf ?? []).some((member) => allowsNull(member, document));
}

/**
 * The kinds that a `POST` of the API takes, in the order of the document.
 *
 * @returns {{kind: string, title: string, more: string, schema: object}[]}
 */
export function kindsOf(path, document) {
  const body = document.paths[path].post.requestBody.content["application/json"].schema;
  return (resolve(body, document).anyOf ?? [body]).map((member) => {
    const schema = resolve(member, document);
    const { kind } = schema.properties;
    const [title, ...more] = (schema.description ?? "").split("\n\n");
    const name = kind.const ?? kind.enum[0];
    return { kind: name, title: title.replace(/\.$/, "") || name, more: more.join(" ").replaceAll("\n", " "), schema };
  });
}

/** The names of the fields that every kind has, `kind` left out. */
export function commonFields(kinds) {
  const [first, ...rest] = kinds.map(({ schema }) => Object.keys(schema.properties));
  return (first ?? []).filter((name) => name !== "kind" && rest.every((names) => names.includes(name)));
}

/** The defaults of the fields that only some kinds have, by kind; null is left out. */
export function ownDefaults(kinds) {
  const common = commonFields(kinds);
  const of = ({ schema }) =>
    Object.entries(schema.properties)
      .filter(([name, { default: value }]) => !common.includes(name) && value !== undefined && value !== null)
      .map(([name, { default: value }]) => [name, value]);
  return Object.fromEntries(kinds.map((each) => [each.kind, Object.fromEntries(of(each))]));
}
