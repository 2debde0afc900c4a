// The part of the address that a view adds, as in `#/metadata?caller=worker-1`: a copied address shows the same in another tab.

const PAUSE_MS = 200; // browsers limit how often a page changes its address

let pending = {};
let timer = null;

/** The name of the view in the address, and its parameters. */
export function read() {
  const [, name = "", query = ""] = /^#\/(\w+)(?:\?(.*))?$/.exec(location.hash) ?? [];
  return { name, parameters: new URLSearchParams(query) };
}

/** Set parameters of the current view, without a new entry in the browser's history; an empty value removes one. */
export function keep(values) {
  Object.assign(pending, values);
  timer ??= setTimeout(write, PAUSE_MS);
}

/** Drop what is not written yet, because it belongs to a view that is left. */
export function drop() {
  clearTimeout(timer);
  [pending, timer] = [{}, null];
}

function write() {
  const { name, parameters } = read();
  for (const [key, value] of Object.entries(pending)) {
    if (value) parameters.set(key, value);
    else parameters.delete(key);
  }
  drop();
  const query = String(parameters);
  const hash = query || name ? `#/${name || "timeline"}${query && `?${query}`}` : location.hash;
  if (hash !== location.hash) history.replaceState(history.state, "", hash);
}
