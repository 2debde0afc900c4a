// The view "Metadata": the tree as one caller sees it, with the source of each value; compare, edit and revert values.

import { keep, read } from "./address.js";
import { h, replace, setText } from "./dom.js";
import { prose } from "./forms.js";
import { editLeaf, newLeaf } from "./metadata/edit.js";
import { addKeys } from "./metadata/keys.js";
import { differences, tree } from "./metadata/tree.js";
import { targetList } from "./targets.js";

const EVERY_MS = 5000;

/** Show the view; returns a function that removes its subscriptions. */
export function mount(root, app) {
  const list = targetList("metadata-callers", app);
  const field = (id, placeholder) =>
    h("input", { id, list: "metadata-callers", autocomplete: "off", spellcheck: "false", placeholder });
  const caller = field("metadata-caller", "the mock's own instance");
  const other = field("metadata-other", "name or address");
  const version = h("select", { id: "metadata-version" }, h("option", { value: "latest" }, "latest"));
  const search = h("input", {
    id: "metadata-search",
    type: "search",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "path or value",
  });
  const compare = h(
    "select",
    { id: "metadata-compare" },
    [
      ["", "nothing"],
      ["start", "the start"],
      ["caller", "another caller"],
    ].map(([value, text]) => h("option", { value }, text)),
  );
  const only = h("input", { id: "metadata-only", type: "checkbox" });
  const problem = h("p", { class: "error notice", role: "alert", hidden: true });
  const summary = h("p", { class: "muted small", role: "status" });
  const removed = h("div", { class: "removed", hidden: true });
  const place = h("div", { class: "tree", role: "region", "aria-label": "Tree" });
  const add = h("button", { type: "button", onclick: () => newLeaf(context) }, "Add a path…");
  const labelled = (input, text) => h("label", { for: input.id, class: "inline" }, h("span", {}, text), input);
  const otherLabel = labelled(other, "Caller");
  const onlyLabel = h("label", { class: "inline check" }, only, h("span", {}, "Only differences"));
  root.append(
    h("h1", { class: "sr-only" }, "Metadata"),
    list.element,
    h(
      "section",
      { class: "card", "aria-label": "Metadata" },
      h(
        "div",
        { class: "bar" },
        labelled(caller, "As seen by"),
        labelled(version, "Version"),
        labelled(search, "Search"),
        labelled(compare, "Compare with"),
        otherLabel,
        onlyLabel,
        h("span", { class: "grow" }),
        add,
      ),
      problem,
      h("div", { class: "bar small" }, summary),
      removed,
      place,
    ),
  );
  addKeys(place);
  const { parameters } = read();
  const chosen = (name) => parameters.get(name) ?? "";
  caller.value = chosen("caller") || (app.target.get() ?? "");
  const first = chosen("version") || "latest";
  if (first !== "latest") version.append(h("option", { value: first }, first));
  version.value = first;
  search.value = chosen("search");
  compare.value = chosen("compare");
  if (compare.selectedIndex < 0) compare.value = "";
  other.value = chosen("with");
  only.checked = parameters.has("differences");

  const context = {
    app,
    reload: () => load(true),
    get version() {
      return version.value;
    },
  };
  const opened = new Set();
  let [now, start, compared] = [null, null, null];
  let [asked, drawn, timer] = [0, "", null];

  const path = (at, name) => {
    const query = new URLSearchParams({ version: version.value, at });
    if (name) query.set("caller", name);
    return `/v1/leaves?${query}`;
  };

  async function load(withStart = false) {
    const mine = ++asked;
    const began = performance.now();
    clearTimeout(timer);
    remember();
    const name = caller.value.trim();
    try {
      const wanted = [
        app.api.get(path("now", name)),
        !start || withStart || compare.value === "start" ? app.api.get(path("start", name)) : start,
      ];
      const isOther = compare.value === "caller";
      if (isOther && other.value.trim()) wanted.push(app.api.get(path("now", other.value.trim())));
      const found = await Promise.all(wanted);
      if (mine !== asked) return;
      [now, start] = found;
      compared = compare.value === "start" ? start : isOther ? (found[2] ?? null) : null;
      problem.hidden = true;
      versions(now.versions);
      draw();
    } catch (error) {
      if (mine !== asked) return;
      problem.hidden = false;
      replace(problem, prose(error.message));
    } finally {
      if (mine === asked) timer = setTimeout(again, Math.max(EVERY_MS, 10 * (performance.now() - began)));
    }
  }

  /** Load again; a hidden page waits, and a tree that takes long to load is loaded less often. */
  function again() {
    if (document.hidden) timer = setTimeout(again, EVERY_MS);
    else load();
  }

  function versions(listed) {
    if (version.options.length === listed.length) return;
    const chosen = version.value;
    version.replaceChildren(...[...listed].reverse().map((each) => h("option", { value: each }, each)));
    version.value = chosen;
  }

  /** Write the choices to the address, and show only the fields that apply. */
  function remember() {
    keep({
      caller: caller.value.trim(),
      version: version.value === "latest" ? "" : version.value,
      search: search.value.trim(),
      compare: compare.value,
      with: compare.value === "caller" ? other.value.trim() : "",
      differences: compare.value && only.checked ? "only" : "",
    });
    otherLabel.hidden = compare.value !== "caller";
    onlyLabel.hidden = compare.value === "";
  }

  function draw() {
    remember();
    if (!now) return;
    const signature = JSON.stringify([now, compared, start, search.value, only.checked]);
    if (signature === drawn) return;
    drawn = signature;
    const text = search.value.trim().toLowerCase();
    const differing = compared ? differences(now.leaves, compared.leaves) : null;
    const paths = new Map(now.leaves.map((leaf) => [leaf.path, leaf]));
    if (compared) for (const leaf of compared.leaves) if (!paths.has(leaf.path)) paths.set(leaf.path, null);
    const before = new Map((compared?.leaves ?? []).map((leaf) => [leaf.path, leaf]));
    const shown = [...paths].filter(([each, leaf]) => {
      if (differing && only.checked && !differing.has(each)) return false;
      return (
        !text || each.toLowerCase().includes(text) || (leaf ?? before.get(each)).value?.toLowerCase().includes(text)
      );
    });
    const atStart = new Map(start.leaves.map((leaf) => [leaf.path, leaf]));
    const focused = document.activeElement?.closest?.(".tree") && document.activeElement.dataset.focus;
    replace(
      place,
      tree(shown, {
        before,
        otherName: compare.value === "start" ? "At the start" : other.value.trim(),
        differing,
        atStart,
        opened,
        context,
      }),
    );
    if (!shown.length)
      replace(
        place,
        h(
          "p",
          { class: "empty" },
          differing && only.checked && !differing.size ? "No differences." : "No path or value matches.",
        ),
      );
    if (focused) focus(focused);
    const words = `${shown.length} of ${paths.size} leaves`;
    setText(summary, differing ? `${words} · ${differing.size} ${differing.size === 1 ? "differs" : "differ"}` : words);
    showRemoved();
  }

  /** Return the focus to where it was before the tree was replaced, or else to its leaf. */
  function focus(key) {
    const at = (name) => place.querySelector(`[data-focus="${CSS.escape(name)}"]`);
    (at(key) ?? at(`leaf ${key.slice(key.lastIndexOf(" ") + 1)}`) ?? search).focus();
  }

  function showRemoved() {
    const again = new Set(start.removed);
    const gone = now.removed.filter((each) => !again.has(each));
    removed.hidden = gone.length === 0;
    replace(
      removed,
      h("span", { class: "muted" }, "Removed:"),
      gone.map((each) =>
        h(
          "span",
          { class: "chip" },
          h("code", {}, each),
          h(
            "button",
            { type: "button", class: "quiet", "aria-label": `Revert ${each}`, onclick: () => context.revert(each) },
            "Revert",
          ),
        ),
      ),
    );
  }

  context.revert = async (each) => {
    try {
      await app.api.post(`/v1/metadata/${each.split("/").map(encodeURIComponent).join("/")}/revert`);
      app.notify(`Reverted ${each}.`);
    } catch (error) {
      app.notify(error.message, "bad");
    }
    await load();
  };
  context.edit = (leaf) => editLeaf(leaf, context);

  caller.addEventListener("change", () => load(true));
  version.addEventListener("change", () => load(true));
  other.addEventListener("change", () => load());
  compare.addEventListener("change", () => {
    draw();
    load();
    if (compare.value === "caller") other.focus();
  });
  for (const input of [search, only]) input.addEventListener("input", draw);
  const known = (events) => events.map((each) => `${each.id}${each.state}`).join();
  let events = known(app.store.get("events"));
  const stops = [
    app.store.subscribe("events", (listed) => {
      const next = known(listed);
      if (next !== events) load();
      events = next;
    }),
  ];
  load();
  return () => {
    asked += 1;
    clearTimeout(timer);
    list.stop();
    for (const stop of stops) stop();
  };
}
