// The mock's own time: show, advance and set it, and return to real time.

import { h, replace, setText } from "../dom.js";
import { sending } from "../forms.js";

const STEPS = ["1m", "15m", "1h", "6h"];

/** A time in ISO 8601 with seconds. */
function shown(milliseconds) {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

function distance(seconds) {
  const size = Math.abs(seconds);
  const [number, unit] =
    size < 120
      ? [size, "s"]
      : size < 7200
        ? [size / 60, "min"]
        : size < 172_800
          ? [size / 3600, "h"]
          : [size / 86_400, "days"];
  return `${Number(number.toFixed(1))} ${unit} ${seconds < 0 ? "behind" : "ahead of"} real time`;
}

/** The card; returns the element and its `stop`. */
export function clockCard(app) {
  const time = h("span", { class: "clock-time number" });
  const offset = h("p", { class: "muted", role: "status" });
  const problem = h("p", { class: "error", id: "clock-problem", role: "alert", hidden: true });
  const by = h("input", {
    id: "clock-by",
    autocomplete: "off",
    placeholder: "for example 90s",
    "aria-describedby": "clock-problem",
  });
  const to = h("input", {
    id: "clock-to",
    autocomplete: "off",
    placeholder: "2027-01-31T12:00:00Z",
    "aria-describedby": "clock-problem",
  });
  const real = h(
    "button",
    { type: "button", onclick: () => change(real, () => app.api.delete("/v1/clock")) },
    "Return to real time",
  );

  function change(button, act, input) {
    for (const each of [by, to]) each.removeAttribute("aria-invalid");
    return sending(
      button,
      problem,
      async () => {
        await act();
        if (input) input.value = "";
        await app.store.refresh("clock", "events", "faults").catch(() => {});
        button.focus();
      },
      (error) => {
        input?.setAttribute("aria-invalid", "true");
        return error.errors?.[0]?.detail ?? error.message;
      },
    );
  }
  const advance = (duration, button, input) =>
    change(button, () => app.api.post("/v1/clock/advance", { by: duration }), input);
  const inline = (id, label, input, text, act) => {
    const button = h("button", { type: "submit" }, text);
    const form = h("form", { class: "inline", novalidate: true }, h("label", { for: id }, label), input, button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      act(input.value.trim(), button);
    });
    return form;
  };
  const element = h(
    "section",
    { class: "card", "aria-labelledby": "clock-title" },
    h("div", { class: "bar" }, h("h2", { id: "clock-title" }, "Clock"), h("span", { class: "grow" }), real),
    h(
      "div",
      { class: "card-body stack" },
      h("div", {}, time, offset),
      h(
        "div",
        { class: "buttons" },
        STEPS.map((step) => {
          const button = h(
            "button",
            { type: "button", "aria-label": `Advance by ${step}`, onclick: () => advance(step, button) },
            `+${step}`,
          );
          return button;
        }),
      ),
      inline("clock-by", "Advance by", by, "Advance", (text, button) => advance(text, button, by)),
      inline("clock-to", "Set to", to, "Set", (text, button) =>
        change(button, () => app.api.put("/v1/clock", { time: text }), to),
      ),
      problem,
    ),
  );
  function show(clock) {
    if (!clock) return;
    real.hidden = clock.is_real;
    replace(offset, clock.is_real ? "Real time." : distance(clock.offset_seconds));
    tick();
  }
  function tick() {
    if (app.store.get("clock")) setText(time, shown(app.store.now()));
  }
  show(app.store.get("clock"));
  const stop = app.store.subscribe("clock", show);
  const timer = setInterval(tick, 250);
  return {
    element,
    stop() {
      clearInterval(timer);
      stop();
    },
  };
}
