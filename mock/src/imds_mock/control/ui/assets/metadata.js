// The view "Metadata".

import { h } from "./dom.js";

/** Show the view; returns a function that removes its subscriptions. */
export function mount(root, _app) {
  root.append(h("h1", { class: "sr-only" }, "Metadata"));
  return () => {};
}
