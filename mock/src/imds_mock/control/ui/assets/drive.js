// The view "Drive".

import { h } from "./dom.js";

/** Show the view; returns a function that removes its subscriptions. */
export function mount(root, _app) {
  root.append(h("h1", { class: "sr-only" }, "Drive"));
  return () => {};
}

/** Open the dialog that arms an event or a fault of a kind, for the selected target. */
export function openDialog(_kind, _app) {}
