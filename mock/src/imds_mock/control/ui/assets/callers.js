// The view "Callers": a card for each caller, with its identity, its requests and its clients.

import { h, replace, setText } from "./dom.js";
import { ago, clientName, clockTime, counted, share } from "./format.js";

const byName = new Intl.Collator("en", { numeric: true });

/** Show the view; returns a function that removes its subscriptions. */
export function mount(root, app) {
  const { store } = app;
  const cards = h("div", { class: "columns" });
  const empty = h("div", { class: "card empty", hidden: true }, h("h2", {}, "No callers yet"), h("p", {}, "A container appears here with its first request."),
    h("p", {}, "Try ", h("code", {}, "curl http://169.254.169.254/latest/meta-data/"), " in one of them."));
  root.append(h("h1", { class: "sr-only" }, "Callers"), empty, cards);
  const known = new Map();

  function update() {
    const callers = merged(store.get("callers"));
    empty.hidden = callers.length > 0;
    for (const key of [...known.keys()]) if (!callers.some((each) => each.key === key)) known.delete(key);
    for (const caller of callers) {
      const text = JSON.stringify(caller);
      if (known.get(caller.key)?.text !== text) known.set(caller.key, { ...card(caller, app), text, caller });
    }
    const focused = cards.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    replace(cards, callers.map(({ key }) => known.get(key).element));
    if (focused) [...cards.querySelectorAll("button")].find((each) => each.getAttribute("aria-label") === focused)?.focus();
    tick();
  }

  function tick() {
    const now = store.now();
    for (const { first, last, caller } of known.values()) {
      const began = Date.parse(caller.first);
      setText(first, `${clockTime(began)}, ${ago(now - began)}`);
      setText(last, ago(now - Date.parse(caller.last)));
    }
  }

  const stop = store.subscribe("callers", update);
  const timer = setInterval(tick, 1000);
  update();
  return () => {
    stop();
    clearInterval(timer);
  };
}

/** One caller for all addresses of a container; by name, callers without a name last, as on the timeline. */
function merged(callers) {
  const found = new Map();
  for (const caller of callers) {
    const key = caller.names[0] ?? caller.address;
    const isAddress = caller.names.length === 0;
    const known = found.get(key);
    const addresses = [...new Set([...(known?.addresses ?? []), caller.address, ...caller.addresses])];
    if (!known) {
      found.set(key, { ...caller, key, isAddress, addresses });
      continue;
    }
    known.addresses = addresses;
    known.requests += caller.requests;
    known.imdsv1 += caller.imdsv1;
    known.first = [known.first, caller.first].sort()[0];
    known.last = [known.last, caller.last].sort()[1];
    known.clients = [...known.clients, ...caller.clients];
  }
  return [...found.values()].sort((a, b) => a.isAddress - b.isAddress || byName.compare(a.key, b.key));
}

/** An announcement as it is written in MOCK_INSTANCE, after its name. */
function announcedWords({ name, instance }) {
  const flat = (facts, above) =>
    Object.entries(facts).flatMap(([key, value]) => {
      if (value && typeof value === "object" && !Array.isArray(value)) return flat(value, `${above}${key}.`);
      return [`${above}${key}=${value !== null && typeof value === "object" ? JSON.stringify(value) : value}`];
    });
  return [...(name ? [name] : []), ...flat(instance, "")].join(", ");
}

function card(caller, app) {
  const fact = (name, value) => value !== null && value !== undefined && value !== "" && [h("dt", {}, name), h("dd", {}, value)];
  const last = h("span", { class: "number" }, "");
  const first = h("time", { datetime: caller.first, title: caller.first }, "");
  const clients = caller.clients.filter((each) => each.user_agent);
  const target = () => {
    app.target.set(caller.key);
    location.hash = "#/drive";
  };
  const element = h(
    "article",
    { class: "card", "aria-label": caller.key },
    h("div", { class: "caller-head" }, h("h2", {}, caller.key), caller.service && h("span", { class: "muted" }, caller.service), h("span", { class: "grow" }), h("span", { class: "muted small" }, "last seen ", last)),
    h(
      "div",
      { class: "card-body" },
      h(
        "div",
        { class: "meter" },
        h("div", {}, counted(caller.requests, "request"), " · ", caller.imdsv1 ? h("b", { class: "v1" }, `${share(caller.imdsv1, caller.requests)} IMDSv1`) : h("span", { class: "v2" }, "IMDSv2 only")),
        h("div", { class: "meter-bar", "aria-hidden": "true" }, h("i", { style: { width: `${(100 * caller.imdsv1) / Math.max(1, caller.requests)}%` } })),
      ),
      h(
        "dl",
        { class: "facts" },
        fact("instance", caller.instance_id),
        fact("addresses", caller.addresses.join(", ")),
        fact("networks", caller.networks.join(", ")),
        fact("role", caller.role),
        fact("region", [caller.region, caller.availability_zone].filter(Boolean).join(" · ")),
        fact("local-ipv4", caller.local_ipv4),
        fact("mac", caller.mac),
        fact("tokens", caller.http_tokens),
        caller.variants.length > 0 && fact("variants", caller.variants.join(", ")),
        caller.announced && fact("announced", announcedWords(caller.announced)),
        fact("first seen", first),
        h("dt", {}, "client"),
        h("dd", {}, clients.length ? h("ul", { class: "clients" }, clients.slice(0, 4).map((each) => h("li", { title: each.user_agent }, clientName(each.user_agent), h("span", { class: "muted" }, ` · ${each.requests}`)))) : "no user agent"),
      ),
      h("div", { class: "tl-actions" }, h("button", { type: "button", "aria-label": `Events and faults for ${caller.key}`, onclick: target }, "Events and faults")),
    ),
  );
  return { element, first, last };
}
