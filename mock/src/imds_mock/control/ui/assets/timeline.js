// The view "Timeline".

import { h } from "./dom.js";

/** Show the view; returns a function that removes its subscriptions. */
export function mount(root, _app) {
  root.append(h("h1", { class: "sr-only" }, "Timeline"));
  return () => {};
}
