// Elements from data. Texts become text nodes, so nothing that a client of the mock sends can become markup.

const REORDERING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "path", "rect", "circle", "line", "g", "text", "title"]);

/**
 * Make an element.
 *
 * @param {string} tag Its name.
 * @param {object} [attributes] Attributes by name. `class` takes a string or a list with empty values left out; a
 *   function is a listener (`onclick`); `style` is an object of CSS properties; true and false set and leave out;
 *   null and undefined are left out; `value`, `checked`, `disabled` and `open` are set as properties.
 * @param {...any} children Nodes, texts, numbers, or lists of these; null, undefined and false are left out.
 * @returns {Element}
 */
export function h(tag, attributes = {}, ...children) {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) set(element, name, value);
  append(element, children);
  return element;
}

function set(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (typeof value === "function") {
    element.addEventListener(name.replace(/^on/, ""), value);
  } else if (name === "class") {
    element.setAttribute("class", Array.isArray(value) ? value.filter(Boolean).join(" ") : value);
  } else if (name === "style") {
    for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
  } else if (["value", "checked", "disabled", "open"].includes(name) && name in element) {
    element[name] = value;
  } else {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

/** A text with the characters escaped that would change the order of the text around it. */
export function visible(text) {
  return String(text).replace(REORDERING, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Append children as `h` takes them. */
export function append(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : visible(child));
  }
}

/** Replace all children of an element. */
export function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/** Set an element's text only if it differs, so that screen readers and selections are not disturbed. */
export function setText(element, text) {
  const shown = visible(text);
  if (element.textContent !== shown) element.textContent = shown;
}

/** Copy a text to the clipboard; returns whether it worked. */
export async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return true;
  }
  const area = h("textarea", { class: "sr-only", "aria-hidden": "true" });
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
