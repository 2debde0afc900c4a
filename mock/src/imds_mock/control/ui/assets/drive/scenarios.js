// Scenarios: write, paste or choose one, preview its steps, and play it.

import { h, replace } from "../dom.js";
import { prose, sending } from "../forms.js";
import { matches } from "../targets.js";

const MOST_BYTES = 16_384;
const PAUSE_MS = 400;
const PLAN_MS = 1000;

const EXAMPLES = {
  "Spot interruption with a warning": `# A rebalance recommendation, then an interruption notice two minutes before the termination.
steps:
  - {at: 5s, event: {kind: rebalance, for: 4m}}
  - {at: 30s, event: {kind: spot, for: 3m}}
`,
  "Credentials service under load": `# Slow responses first, then about half of the requests fail.
steps:
  - {at: 0s, fault: {kind: delay, delay: 300ms, path: "*/iam/*", for: 30s}}
  - {at: 30s, fault: {kind: status, status: 503, retry_after: 1, path: "*/iam/*", rate: 0.5, for: 30s}}
`,
  Maintenance: `# A scheduled reboot that completes after two minutes.
steps:
  - {at: 0s, event: {kind: maintenance, code: system-reboot, not_before: 1h, for: 2m}}
`,
};

/**
 * The form to play a scenario.
 *
 * @param {object} app See main.js.
 * @param {{played?: () => void, cancel?: () => void}} options What to do after it was played; a button to cancel.
 * @returns {{element: HTMLElement, stop: () => void}} `stop` removes the plan from the timeline.
 */
export function scenarioForm(app, { played = () => {}, cancel } = {}) {
  const text = h("textarea", {
    id: "scenario-text",
    rows: 9,
    spellcheck: "false",
    "aria-describedby": "scenario-problem",
    placeholder: "steps:\n  - {at: 10s, event: {kind: rebalance}}",
  });
  const file = h("input", { type: "file", id: "scenario-file", accept: ".yaml,.yml,.json" });
  const example = h(
    "select",
    { id: "scenario-example" },
    h("option", { value: "" }, "choose…"),
    Object.keys(EXAMPLES).map((name) => h("option", { value: name }, name)),
  );
  const problem = h("p", { class: "error pre", id: "scenario-problem", role: "alert", hidden: true });
  const steps = h("ol", { class: "steps", "aria-label": "Steps of the scenario" });
  const play = h("button", { type: "submit", class: "primary", disabled: true }, "Play");
  let plan = null;
  let read = ""; // the text that the plan is from
  let isPlanned = false;
  let timer = null;
  let asked = 0;

  async function preview() {
    const mine = ++asked;
    clearTimeout(timer);
    plan = null;
    read = text.value;
    let sentence = "";
    if (text.value.trim()) {
      try {
        const found = await app.api.post("/v1/scenarios/preview", { text: text.value });
        if (mine === asked) plan = found;
      } catch (error) {
        sentence = error.message;
      }
    }
    if (mine !== asked) return;
    replace(problem, sentence);
    problem.hidden = !sentence;
    if (sentence) text.setAttribute("aria-invalid", "true");
    else text.removeAttribute("aria-invalid");
    play.disabled = !plan;
    replace(steps, (plan?.steps ?? []).map(stepLine));
    isPlanned = Boolean(plan);
    app.store.set("planned", plannedSteps(plan, app.store.now()));
  }
  // Until the scenario is played, its plan moves with the clock.
  const clock = setInterval(() => isPlanned && app.store.set("planned", plannedSteps(plan, app.store.now())), PLAN_MS);
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(preview, PAUSE_MS);
  };
  text.addEventListener("input", later);
  example.addEventListener("change", () => {
    text.value = EXAMPLES[example.value] ?? "";
    preview();
  });
  file.addEventListener("change", async () => {
    const [chosen] = file.files;
    if (!chosen) return;
    // A text that is too long is sent, so that the API reports the limit.
    text.value = await chosen.slice(0, MOST_BYTES + 1).text();
    preview();
  });
  const element = h(
    "form",
    { class: "stack scenario", novalidate: true },
    h(
      "div",
      { class: "fields" },
      h("label", { class: "field" }, h("span", {}, "Example"), example),
      h("label", { class: "field" }, h("span", {}, "File"), file),
    ),
    h("label", { class: "field" }, h("span", {}, "Scenario, as YAML or JSON"), text),
    problem,
    steps,
    h("div", { class: "form-actions" }, cancel && h("button", { type: "button", onclick: cancel }, "Cancel"), play),
  );
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    sending(play, problem, async () => {
      if (read !== text.value) await preview();
      if (!plan) return; // `preview` has shown the problem
      const armed = await app.api.post("/v1/scenarios", plan.scenario);
      const count = armed.events.length + armed.faults.length;
      app.notify(`The scenario is playing: ${count} ${count === 1 ? "step is" : "steps are"} armed.`);
      isPlanned = false; // the steps are armed now; they can be played again
      app.store.set("planned", []);
      app.store.refresh("events", "faults").catch(() => {});
      played();
    });
  });
  return {
    element,
    stop() {
      clearTimeout(timer);
      clearInterval(clock);
      asked += 1;
      app.store.set("planned", []);
    },
  };
}

/** The plan as the timeline draws it, if it were played now; times in milliseconds on the mock's clock. */
function plannedSteps(plan, now) {
  return (plan?.steps ?? []).map(({ starts, ends, after_seconds: after, what, kind, target }) => {
    const at = now + after * 1000;
    return { at, until: ends && at + Date.parse(ends) - Date.parse(starts), what, kind, target };
  });
}

function stepLine(step) {
  return h(
    "li",
    {},
    h("span", { class: "number mono" }, `+${step.after_seconds} s`),
    " ",
    h("b", { class: step.what }, step.kind),
    " ",
    h("span", { class: "muted" }, step.target ? `${step.target}, ${matches(step.callers)}` : "every caller"),
    step.warning && h("small", { class: "v1 block" }, prose(step.warning)),
  );
}
