// The chart: a canvas that shows the lanes in view, the names beside it, and what the pointer and the keys do.

import { h, replace, setText } from "../dom.js";
import { AXIS, geometry } from "./geometry.js";
import { steer } from "./keys.js";
import { indexAt, linesOf } from "./lanes.js";
import { Sprites, weight } from "./marks.js";
import { paint, readColours } from "./paint.js";
import { View } from "./scale.js";

const REACH = 9; // a mark within this many pixels of the pointer is hit

/**
 * Make the chart.
 *
 * @param {object} options
 * @param {() => number} options.now The mock's time.
 * @param {(request: object | null) => void} options.onSelect A mark was chosen.
 * @param {() => void} options.onGone The chosen mark's request has left the journal.
 * @param {(span: {start: number, end: number} | null) => void} options.onSpan A span was chosen.
 * @param {() => void} options.onView The view was moved, zoomed or paused.
 * @param {(lane: object) => void} options.onLane A lane's name was chosen.
 * @param {(request: object, lane: object) => string} options.describe Words for a mark.
 */
export function makeChart({ now, onSelect, onGone, onSpan, onView, onLane, describe }) {
  const canvas = h("canvas", { tabindex: "0", role: "application", "aria-roledescription": "timeline", "aria-label": "Timeline of requests", "aria-describedby": "timeline-keys" });
  const names = h("div", { class: "tl-names" });
  const space = h("div", { class: "tl-space" }, canvas, names);
  const tip = h("div", { class: "tl-tip", hidden: true, "aria-hidden": "true" });
  const spoken = h("p", { class: "sr-only", role: "status", "aria-live": "polite" });
  const scroller = h("div", { class: "tl-scroll" }, space);
  const element = h("div", { class: "tl-chart" }, scroller, tip, spoken);
  const context = canvas.getContext("2d");
  const view = new View(180_000);
  const scene = {
    view, lanes: [], bands: [], seen: [], selected: null, hovered: null, selection: null, scroll: 0, now: now(),
    width: 0, height: 0, g: geometry(800), colours: readColours(), sprites: null,
  };
  let frame = 0;
  let timer = 0;
  let isDrawing = true;

  function size() {
    const ratio = window.devicePixelRatio || 1;
    scene.width = scroller.clientWidth;
    scene.g = geometry(scene.width);
    const total = AXIS + Math.max(1, scene.lanes.length) * scene.g.lane;
    space.style.setProperty("height", `${total}px`);
    scene.height = Math.min(total, scroller.clientHeight || total);
    const [w, hgt] = [Math.round(scene.width * ratio), Math.round(scene.height * ratio)];
    if (canvas.width !== w || canvas.height !== hgt) {
      canvas.width = w;
      canvas.height = hgt;
      canvas.style.setProperty("width", `${scene.width}px`);
      canvas.style.setProperty("height", `${scene.height}px`);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (scene.sprites?.ratio !== ratio || scene.sprites.colours !== scene.colours) scene.sprites = new Sprites(scene.colours, ratio);
    element.classList.toggle("narrow", scene.g.isNarrow);
    space.style.setProperty("--gutter", `${scene.g.gutter - 12}px`);
    space.style.setProperty("--lane", `${scene.g.lane}px`);
  }

  function draw() {
    frame = 0;
    if (!isDrawing) return;
    const began = performance.now();
    scene.now = now();
    view.advance(scene.now);
    scene.scroll = scroller.scrollTop;
    paint(context, scene);
    element.drawMilliseconds = performance.now() - began; // for the test of its speed
    clearTimeout(timer);
    // The next picture is due when the marks have moved by half a pixel.
    const still = (0.5 * view.span) / scene.g.plot;
    const least = matchMedia("(prefers-reduced-motion: reduce)").matches ? 500 : 16;
    timer = setTimeout(request, Math.min(250, Math.max(least, view.follows ? still : 250)));
  }

  function request() {
    if (!frame && isDrawing) frame = requestAnimationFrame(draw);
  }

  function layOut() {
    size();
    request();
  }

  let named = "";
  function showNames() {
    const text = JSON.stringify(scene.lanes.map((lane) => [lane.name, ...linesOf(lane)]));
    if (text === named) return;
    named = text;
    replace(names, scene.lanes.map((lane) => {
      const [first, second] = linesOf(lane);
      return h(
        "button",
        { type: "button", class: "tl-name", title: `Select ${lane.name} as the target`, onclick: () => onLane(lane) },
        h("b", {}, lane.name),
        first && h("span", {}, first),
        second && h("span", { class: lane.v1 > 0 && "v1" }, second),
      );
    }));
  }

  /** The lane and the mark at a point of the canvas. */
  function at(x, y) {
    const { g } = scene;
    const index = Math.floor((y + scene.scroll - AXIS) / g.lane);
    const lane = y < AXIS ? null : scene.lanes[index];
    if (!lane) return { lane: null, mark: null };
    const top = AXIS + index * g.lane - scene.scroll;
    if (Math.abs(y - top - g.rail) > 22) return { lane, mark: null };
    const from = indexAt(lane.requests, view.at(x - g.gutter - REACH, g.plot));
    let [mark, best] = [null, Infinity];
    for (let i = from; i < lane.requests.length; i += 1) {
      const distance = Math.abs(g.gutter + view.x(lane.requests[i].at, g.plot) - x);
      if (lane.requests[i].at > view.at(x - g.gutter + REACH, g.plot)) break;
      const score = distance - weight(lane.requests[i].style) * 2;
      if (score <= best) [mark, best] = [lane.requests[i], score];
    }
    return { lane, mark };
  }

  function hover(event) {
    const box = canvas.getBoundingClientRect();
    const { lane, mark } = at(event.clientX - box.left, event.clientY - box.top);
    if (scene.hovered !== mark) {
      scene.hovered = mark;
      request();
    }
    canvas.classList.toggle("over-mark", Boolean(mark));
    tip.hidden = !mark;
    if (!mark) return;
    setText(tip, describe(mark, lane));
    const outer = element.getBoundingClientRect();
    const left = Math.min(event.clientX - outer.left + 12, outer.width - tip.offsetWidth - 8);
    tip.style.setProperty("left", `${Math.max(4, left)}px`);
    tip.style.setProperty("top", `${event.clientY - outer.top + 16}px`);
  }

  function select(mark, { isSpoken = false } = {}) {
    scene.selected = mark;
    if (mark && isSpoken) setText(spoken, describe(mark, laneOf(mark)));
    onSelect(mark);
    request();
  }

  const laneOf = (mark) => scene.lanes.find((lane) => lane.addresses.has(mark.caller)) ?? null;

  function setSpan(span) {
    scene.selection = span;
    onSpan(span);
    request();
  }

  /** Bring a mark into view. */
  function reveal(mark) {
    const index = scene.lanes.indexOf(laneOf(mark));
    if (mark.at < view.start || mark.at > view.end) view.show(mark.at - view.span / 2, mark.at + view.span / 2);
    const top = index * scene.g.lane;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + scene.g.lane + AXIS > scroller.scrollTop + scene.height) scroller.scrollTop = top + scene.g.lane + AXIS - scene.height;
    onView();
  }

  const pointer = { x: 0, mode: null, moved: false };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const box = canvas.getBoundingClientRect();
    const isAxis = event.clientY - box.top < AXIS;
    pointer.mode = event.pointerType === "touch" || isAxis || event.shiftKey ? "pan" : "span";
    pointer.x = pointer.from = event.clientX - box.left;
    pointer.moved = false;
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pointer.mode) return hover(event);
    const x = event.clientX - canvas.getBoundingClientRect().left;
    if (!pointer.moved && Math.abs(x - pointer.from) < 4) return;
    pointer.moved = true;
    tip.hidden = true;
    const { g } = scene;
    if (pointer.mode === "pan") {
      view.pan(((pointer.x - x) / g.plot) * view.span);
      onView();
    } else {
      const ends = [pointer.from, x].map((each) => view.at(Math.min(g.plot, Math.max(0, each - g.gutter)), g.plot));
      setSpan({ start: Math.min(...ends), end: Math.max(...ends) });
    }
    pointer.x = x;
    request();
  });
  canvas.addEventListener("pointerup", (event) => {
    const wasClick = pointer.mode && !pointer.moved;
    pointer.mode = null;
    if (!wasClick) return;
    const box = canvas.getBoundingClientRect();
    const { mark } = at(event.clientX - box.left, event.clientY - box.top);
    if (!mark && scene.selection) setSpan(null);
    select(mark);
  });
  canvas.addEventListener("pointercancel", () => (pointer.mode = null));
  canvas.addEventListener("pointerleave", () => {
    tip.hidden = true;
    scene.hovered = null;
    request();
  });
  scroller.addEventListener("wheel", (event) => {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const x = event.clientX - canvas.getBoundingClientRect().left - scene.g.gutter;
      view.zoom(Math.exp(event.deltaY / 300), view.at(x, scene.g.plot));
    } else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      event.preventDefault();
      view.pan((sideways / scene.g.plot) * view.span);
    } else return;
    onView();
    request();
  }, { passive: false });
  scroller.addEventListener("scroll", request, { passive: true });
  canvas.addEventListener("focus", request);
  const chart = {
    element, view, scene, select, reveal, setSpan, laneOf,
    /** Show other lanes, bands and first reads. */
    update(lanes, bands, seen) {
      const before = scene.lanes.length;
      Object.assign(scene, { lanes, bands, seen });
      if (scene.selected && !lanes.some((lane) => lane.requests.includes(scene.selected))) {
        scene.selected = null;
        onGone();
      }
      showNames();
      if (before !== lanes.length) layOut();
      request();
    },
    /** Zoom around the middle, or around now in a view that follows. */
    zoom(factor) {
      view.zoom(factor, view.follows ? scene.now : view.start + view.span / 2);
      onView();
      request();
    },
    /** Show the selected span only. */
    zoomToSpan() {
      if (!scene.selection) return;
      view.show(scene.selection.start, scene.selection.end);
      setSpan(null);
      chart.moved();
    },
    moved() {
      onView();
      request();
    },
    destroy() {
      isDrawing = false;
      cancelAnimationFrame(frame);
      clearTimeout(timer);
      sizes.disconnect();
      schemes.removeEventListener("change", recolour);
    },
  };
  steer(canvas, chart);
  const recolour = () => {
    scene.colours = readColours();
    layOut();
  };
  const schemes = matchMedia("(prefers-color-scheme: dark)");
  schemes.addEventListener("change", recolour);
  const sizes = new ResizeObserver(layOut);
  sizes.observe(scroller);
  return chart;
}
