// Modal dialogs and short messages.

import { append, h } from "./dom.js";

let count = 0;

/**
 * Open a modal dialog. The browser keeps the focus inside the dialog, closes it with Escape and returns the focus afterwards.
 *
 * @param {object} options
 * @param {string} options.title The heading.
 * @param {any} options.body Content, as `h` takes it.
 * @param {any} [options.actions] Buttons at the bottom; default: a close button.
 * @param {boolean} [options.mustAnswer] Escape does not close it.
 * @returns {{element: HTMLDialogElement, close: () => void, closed: Promise<void>}}
 */
export function openDialog({ title, body, actions, mustAnswer = false }) {
  const id = `dialog-${++count}`;
  const close = () => element.close();
  const element = h(
    "dialog",
    { class: "card dialog", "aria-labelledby": id },
    h("h2", { id, class: "dialog-title" }, title),
    h("div", { class: "dialog-body" }, body),
    h("div", { class: "dialog-actions" }, actions ?? h("button", { type: "button", onclick: close }, "Close")),
  );
  if (mustAnswer) element.addEventListener("cancel", (event) => event.preventDefault());
  const closed = new Promise((done) => {
    element.addEventListener("close", () => {
      element.remove();
      done();
    });
  });
  append(document.body, element);
  element.showModal();
  return { element, close, closed };
}

/** Show a message for a few seconds; screen readers announce it. `kind`: `""` or `"bad"`. */
export function notify(text, kind = "") {
  const toast = h("div", { class: ["toast", kind] }, h("span", {}, text));
  toast.append(h("button", { type: "button", class: "quiet", "aria-label": "Dismiss", onclick: () => toast.remove() }, "×"));
  document.getElementById("toasts").append(toast);
  setTimeout(() => toast.remove(), kind === "bad" ? 12000 : 5000);
}
