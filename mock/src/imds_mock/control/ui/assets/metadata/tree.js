// The tree of leaves: categories and leaves that open, each leaf with its value, its source and its actions.

import { append, copy, h } from "../dom.js";

const SOURCES = {
  setting: "setting",
  derived: "derived",
  fixed: "fixed",
  override: "override",
  event: "event",
};

const MOST_OPEN = 1000;

/** The paths whose values differ, including those that one side lacks. */
export function differences(one, other) {
  const values = new Map(other.map((leaf) => [leaf.path, body(leaf)]));
  const found = new Set(one.filter((leaf) => values.get(leaf.path) !== body(leaf)).map((leaf) => leaf.path));
  const paths = new Set(one.map((leaf) => leaf.path));
  for (const path of values.keys()) if (!paths.has(path)) found.add(path);
  return found;
}

function body(leaf) {
  return leaf.value ?? leaf.base64 ?? "";
}

/**
 * The tree.
 *
 * @param {[string, object | null][]} leaves Path and leaf; null if only the other side has the leaf.
 * @param {object} options
 * @param {Map} options.before The other side's leaves by path.
 * @param {string} options.otherName What the other side is.
 * @param {Set | null} options.differing Paths that differ from the other side; null without one.
 * @param {Map} options.atStart The leaves at the start by path.
 * @param {Set} options.opened What is opened and closed; is kept up to date.
 * @param {object} options.context What the buttons use.
 */
export function tree(leaves, options) {
  const root = { children: new Map() };
  options.isLarge = leaves.length > MOST_OPEN;
  for (const [path, leaf] of leaves) {
    let node = root;
    for (const part of path.split("/")) {
      if (!node.children.has(part)) node.children.set(part, { children: new Map() });
      node = node.children.get(part);
    }
    Object.assign(node, { path, leaf, isLeaf: true });
  }
  return children(root, "", options);
}

function children(node, path, options) {
  return [...node.children]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .flatMap(([name, child]) => {
      const below = path ? `${path}/${name}` : name;
      return [
        child.isLeaf && leafRow(name, child, options),
        child.children.size > 0 && category(name, below, child, options),
      ];
    });
}

function count(node) {
  return (node.isLeaf ? 1 : 0) + [...node.children.values()].reduce((sum, child) => sum + count(child), 0);
}

function category(name, path, node, options) {
  const { opened, isLarge } = options;
  const [closedKey, openKey] = [`category ${path}`, `open ${path}`];
  const below = h("div", { class: "below", style: { "--depth": path.split("/").length } });
  const fill = () => below.childElementCount || append(below, children(node, path, options));
  const element = h(
    "details",
    { class: "category" },
    h(
      "summary",
      { "data-focus": closedKey },
      h("span", { class: "mono" }, `${name}/`),
      " ",
      h("span", { class: "muted small" }, String(count(node))),
    ),
    below,
  );
  element.open = isLarge ? opened.has(openKey) : !opened.has(closedKey);
  // In a large tree, only open categories are filled.
  if (element.open || !isLarge) fill();
  element.addEventListener("toggle", () => {
    if (element.open) fill();
    const [added, removed] = element.open ? [openKey, closedKey] : [closedKey, openKey];
    opened.add(added);
    opened.delete(removed);
  });
  return element;
}

/** A value in one line. */
function oneLine(text) {
  const line = text
    .slice(0, 400)
    .trim()
    .replace(/\s*\n\s*/g, " ");
  return line || "(empty)";
}

function leafRow(name, { path, leaf }, options) {
  const { before, differing, opened } = options;
  const other = before.get(path);
  const held = leaf ?? other;
  const key = `leaf ${path}`;
  const isDifferent = differing?.has(path);
  const details = h("div", { class: "leaf-body" });
  const element = h(
    "details",
    { class: ["leaf", isDifferent && "differs"], "data-path": path },
    h(
      "summary",
      { "data-focus": key },
      h("span", { class: "mono name" }, name),
      h("span", { class: ["mono", "value", !leaf && "muted"] }, leaf ? oneLine(body(leaf)) : "(absent)"),
      isDifferent && h("span", { class: "mono value other" }, other ? oneLine(body(other)) : "(absent)"),
      h("span", { class: ["badge", held.source] }, SOURCES[held.source]),
    ),
    details,
  );
  const fill = () => {
    if (!details.childElementCount) details.append(...leafBody(path, leaf, other, options).filter(Boolean));
  };
  element.addEventListener("toggle", () => {
    if (element.open) {
      opened.add(key);
      fill();
    } else opened.delete(key);
  });
  if (opened.has(key)) {
    fill();
    element.open = true;
  }
  return element;
}

/** The source of a value, as a sentence. */
function origin(leaf) {
  const settings = leaf.settings.flatMap((key, index) => [index > 0 && ", ", h("code", {}, key)]);
  if (leaf.source === "event")
    return ["Set by the event ", leaf.events.map((id, index) => [index > 0 && ", ", h("code", {}, id)]), "."];
  if (leaf.source === "override")
    return ["Set by path. ", settings.length > 0 && ["Without the override, it is derived from ", settings, "."]];
  if (leaf.source === "setting") return ["Value of the setting ", settings, "."];
  if (leaf.source === "derived") return ["Derived from ", settings, "."];
  return ["Does not depend on a setting."];
}

function leafBody(path, leaf, other, { context, atStart, differing, otherName }) {
  const side = (title, each) =>
    h(
      "div",
      {},
      h("p", { class: "muted small" }, title),
      h("pre", { tabindex: "0", "aria-label": title }, each ? body(each) : "(absent)"),
    );
  const values = differing?.has(path)
    ? h("div", { class: "sides" }, side("Now", leaf), side(otherName, other))
    : h("pre", { tabindex: "0", "aria-label": `Value of ${path}` }, body(leaf));
  if (!leaf) return [values];
  const { app } = context;
  const copied = (what, text) => async () =>
    app.notify((await copy(text)) ? `Copied ${what}.` : "The browser does not allow copying.", "");
  const button = (text, act, className) =>
    h(
      "button",
      {
        type: "button",
        class: className,
        "aria-label": `${text} ${path}`,
        "data-focus": `${text} ${path}`,
        onclick: act,
      },
      text,
    );
  const start = atStart.get(path);
  const isChanged = leaf.is_overridden && (!start?.is_overridden || body(start) !== body(leaf));
  return [
    values,
    h(
      "p",
      { class: "muted small" },
      origin(leaf),
      leaf.content_type !== "text/plain" && [" ", h("code", {}, leaf.content_type)],
    ),
    h(
      "div",
      { class: "buttons" },
      button("Copy path", copied("the path", `/${context.version}/${path}`)),
      button("Copy value", copied("the value", body(leaf))),
      button("Copy as curl", copied("the command", curl(context.version, path))),
      button("Edit", () => context.edit(leaf)),
      button("Remove", () => remove(path, context)),
      isChanged && button("Revert", () => context.revert(path)),
    ),
  ];
}

async function remove(path, context) {
  try {
    await context.app.api.delete(`/v1/metadata/${path.split("/").map(encodeURIComponent).join("/")}`);
    context.app.notify(`Removed ${path} for every caller.`);
  } catch (error) {
    context.app.notify(error.message, "bad");
  }
  await context.reload();
}

/** The shell command that reads a path with a session token, as a client of the mock does. */
export function curl(version, path) {
  const url = `http://169.254.169.254/${version}/${path.split("/").map(encodeURIComponent).join("/")}`;
  const ttl = "-H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token";
  return `curl -s -H "X-aws-ec2-metadata-token: $(curl -s -X PUT ${ttl})" '${url.replaceAll("'", "%27")}'`;
}
