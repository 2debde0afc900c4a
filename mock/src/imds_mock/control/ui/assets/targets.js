// Who an event or fault is for: a field for an address or a name, with the number of callers that it matches now.

import { h, setText } from "./dom.js";

const PAUSE_MS = 250;
const AGAIN_MS = 3000;

/** Names and addresses of the known callers, for the suggestions of a field. */
export function targetNames(callers) {
  const names = callers.flatMap((each) => [...each.names, each.address]);
  return [...new Set(names)];
}

/** A list of suggestions for fields with `list` set to its id; returns the element and its `stop`. */
export function targetList(id, app) {
  const list = h("datalist", { id });
  let known = "";
  const fill = (callers) => {
    const names = targetNames(callers ?? []);
    if (names.join("\n") === known) return;
    known = names.join("\n");
    list.replaceChildren(...names.map((name) => h("option", { value: name })));
  };
  fill(app.store.get("callers"));
  return { element: list, stop: app.store.subscribe("callers", fill) };
}

/** The words for a number of callers; null means all of them. */
export function matches(count) {
  if (count === null || count === undefined) return "every caller";
  return `matches ${count} ${count === 1 ? "caller" : "callers"}`;
}

/**
 * A line that shows how many callers the text of an input matches, kept up to date while it is on the page.
 *
 * @returns {{element: HTMLElement, update: () => void, stop: () => void}}
 */
export function matchCount(input, app) {
  const element = h("span", { class: "match small", role: "status" });
  let timer = null;
  let asked = 0;
  async function ask() {
    const mine = ++asked;
    const name = input.value.trim();
    let found;
    try {
      found = await app.api.get(`/v1/callers/match${name ? `?caller=${encodeURIComponent(name)}` : ""}`);
    } catch (error) {
      found = { problem: error.message };
    }
    if (mine !== asked) return;
    const warning = found.warning ? ` · ${found.warning.replaceAll("`", "")}` : "";
    const words = name || warning ? `${matches(found.callers)}${warning}` : `every caller, ${found.callers} known`;
    setText(element, found.problem ?? words);
    element.classList.toggle("warn", Boolean(found.problem ?? found.warning));
    timer = setTimeout(again, AGAIN_MS);
  }
  /** Ask again; a hidden page waits. */
  function again() {
    if (document.hidden) timer = setTimeout(again, AGAIN_MS);
    else if (element.isConnected) ask();
  }
  const update = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE_MS);
  };
  input.addEventListener("input", update);
  input.addEventListener("change", update);
  update();
  return {
    element,
    update,
    stop: () => {
      clearTimeout(timer);
      asked += 1;
    },
  };
}
