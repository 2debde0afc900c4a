// Draws the timeline on its canvas: each frame from scratch, and only what is in view.

import { visible } from "../dom.js";
import { appliesTo, indexAt } from "./lanes.js";
import { remaining } from "./bands.js";
import { AXIS } from "./geometry.js";
import { drawMark, weight } from "./marks.js";

const FONT = (size, bold = false) => `${bold ? "600 " : ""}${size}px ${sans}`;
let sans = "system-ui, sans-serif";

/** The page's colours as the canvas takes them. */
export function readColours() {
  const style = getComputedStyle(document.documentElement);
  sans = style.getPropertyValue("--sans") || sans;
  const names = ["bg", "panel", "ink", "soft", "line", "rail", "accent", "v2", "v1", "agent", "bad", "event", "event-ink", "fault-ink"];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

/**
 * Draw.
 *
 * @param {CanvasRenderingContext2D} context Scaled to CSS pixels.
 * @param {object} scene `{width, height, scroll, g, view, now, lanes, bands, seen, selected, hovered, selection,
 *   colours, sprites}`.
 */
export function paint(context, scene) {
  const { width, height, scroll, g, view, lanes, colours, now } = scene;
  context.clearRect(0, 0, width, height);
  const first = Math.max(0, Math.floor((scroll - AXIS) / g.lane));
  const last = Math.min(lanes.length, Math.ceil((scroll + height) / g.lane));
  grid(context, scene);
  context.save();
  context.beginPath();
  context.rect(g.gutter, AXIS, g.plot + 14, height - AXIS);
  context.clip();
  selection(context, scene);
  for (let i = first; i < last; i += 1) lane(context, scene, lanes[i], AXIS + i * g.lane - scroll);
  const x = g.gutter + view.x(now, g.plot);
  if (x <= g.gutter + g.plot) {
    context.strokeStyle = colours.accent;
    context.setLineDash([3, 3]);
    line(context, x, AXIS, x, height);
    context.setLineDash([]);
  }
  context.restore();
  axis(context, scene, x);
}

function line(context, x1, y1, x2, y2, width = 1) {
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}

function grid(context, { view, g, height, colours }) {
  context.strokeStyle = colours.line;
  for (const [at] of view.ticks(g.plot)) {
    const x = Math.round(g.gutter + view.x(at, g.plot)) + 0.5;
    line(context, x, AXIS - 4, x, height);
  }
}

function axis(context, { view, g, width, colours }, nowX) {
  context.fillStyle = colours.panel;
  context.fillRect(0, 0, width, AXIS - 6);
  context.font = FONT(11);
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const [at, text] of view.ticks(g.plot)) {
    const x = g.gutter + view.x(at, g.plot);
    const half = context.measureText(text).width / 2;
    if (Math.abs(x - nowX) < half + 18 || x + half > width || x - half < 0) continue;
    context.fillStyle = colours.soft;
    context.fillText(text, x, 13);
  }
  if (nowX <= g.gutter + g.plot && nowX >= g.gutter) {
    context.fillStyle = colours.accent;
    context.font = FONT(11, true);
    context.fillText("now", nowX, 13);
  }
}

function lane(context, scene, each, top) {
  const { g, view, colours, bands, seen } = scene;
  const right = g.gutter + g.plot;
  context.strokeStyle = colours.line;
  line(context, 0, Math.round(top + g.lane) - 0.5, scene.width, Math.round(top + g.lane) - 0.5);
  const own = tracked(bands.filter((band) => band.start < view.end && band.end > view.start && appliesTo(band.armed, each)));
  for (const band of own) area(context, scene, band, top);
  context.strokeStyle = colours.rail;
  line(context, g.gutter, top + g.rail, right, top + g.rail, 1.5);
  marks(context, scene, each, top + g.rail);
  const texts = new Texts(context, g);
  for (const read of seen) if (each.addresses.has(read.caller)) firstSeen(texts, scene, each, read, top);
  for (const band of own) label(texts, scene, band, top);
}

/** Bands at the same time share the height of the lane: each gets a `track` of `tracks`. */
function tracked(bands) {
  const ends = [];
  const placed = bands.map((band) => {
    let track = ends.findIndex((end) => end <= band.start);
    if (track < 0) track = ends.length;
    ends[track] = band.end;
    return { ...band, track };
  });
  return placed.map((band) => ({ ...band, tracks: ends.length }));
}

function area(context, { g, view, colours, now }, band, top) {
  const height = g.bandHeight / band.tracks;
  const y = top + g.band + band.track * height;
  const x1 = Math.max(g.gutter - 8, g.gutter + view.x(band.start, g.plot));
  const x2 = Math.min(g.gutter + g.plot + 8, g.gutter + view.x(Math.min(band.end, view.end + view.span), g.plot));
  const tone = band.isFault ? colours.bad : colours.event;
  const isAhead = band.state === "planned" || (band.state === "pending" && now < band.start);
  const isOver = band.end <= now;
  context.save();
  context.fillStyle = tone;
  context.globalAlpha = isAhead ? 0.06 : isOver ? 0.1 : 0.17;
  context.beginPath();
  context.roundRect(x1, y, Math.max(3, x2 - x1), height - (band.tracks > 1 ? 2 : 0), Math.min(6, height / 3));
  context.fill();
  if (isAhead) {
    context.globalAlpha = 0.8;
    context.strokeStyle = tone;
    context.setLineDash([4, 3]);
    context.stroke();
  }
  context.restore();
  if (band.action !== null && band.action < band.end) {
    const x = g.gutter + view.x(band.action, g.plot);
    context.strokeStyle = tone;
    line(context, x, y, x, y + height, 2);
  }
}

/** Places texts so that they do not cover each other. */
class Texts {
  constructor(context, g) {
    this.context = context;
    this.taken = [];
    this.g = g;
  }

  /** Write a text at the first of several heights that has room for it, moved to the right if necessary. */
  write(text, x, heights, colour) {
    const { context, g } = this;
    text = visible(text);
    context.font = FONT(11.5, true);
    const width = context.measureText(text).width;
    const end = g.gutter + g.plot + 12;
    const first = Math.max(g.gutter + 2, Math.min(x, end - width));
    for (const y of heights) {
      const near = this.taken.filter(([, , at]) => Math.abs(at - y) <= 12).sort(([a], [b]) => a - b);
      let left = first;
      for (const [from, to] of near) if (left <= to + 8 && left + width >= from - 8) left = to + 9;
      if (left + width > end) continue;
      this.taken.push([left, left + width, y]);
      context.textAlign = "left";
      context.textBaseline = "alphabetic";
      context.fillStyle = colour;
      context.fillText(text, left, y);
      return;
    }
  }
}

function label(texts, { g, view, colours, now }, band, top) {
  const x = g.gutter + view.x(band.start, g.plot) + (band.track ? 6 : 2);
  const inside = top + g.band + 13 + (band.track * g.bandHeight) / band.tracks;
  const above = top + g.label;
  const colour = band.isFault ? colours["fault-ink"] : colours["event-ink"];
  texts.write(`${band.title} · ${remaining(band, now)}`, x, band.track ? [inside, above] : [above, inside], colour);
}

function marks(context, scene, { requests }, y) {
  const { g, view, sprites, selected, hovered, colours } = scene;
  const drawn = new Map();
  const from = indexAt(requests, view.start - view.span * 0.02);
  const until = indexAt(requests, view.end + view.span * 0.02);
  // Of equal marks in one bin, one is drawn; with many marks, bins are wider (2.5 px instead of 0.5 px).
  const bins = until - from > g.plot / 4 ? 0.4 : 2;
  const urgent = [];
  for (let i = from; i < until; i += 1) {
    const request = requests[i];
    const x = g.gutter + view.x(request.at, g.plot);
    const bin = Math.floor(x * bins);
    if (drawn.get(request.style) === bin) continue;
    drawn.set(request.style, bin);
    if (weight(request.style) > 0) urgent.push([request.style, x]);
    else sprites.draw(context, request.style, x, y);
  }
  for (const [style, x] of urgent) sprites.draw(context, style, x, y);
  for (const request of [hovered, selected]) {
    if (request && holds(requests, request)) {
      drawMark(context, request.style, g.gutter + view.x(request.at, g.plot), y, colours, { scale: 1.3, ring: colours.accent });
    }
  }
}

function holds(requests, request) {
  let i = indexAt(requests, request.at);
  while (requests[i]?.at === request.at && requests[i] !== request) i += 1;
  return requests[i] === request;
}

function firstSeen(texts, { g, view, colours }, { requests }, read, top) {
  const { context } = texts;
  const x = g.gutter + view.x(read.at, g.plot);
  if (x < g.gutter - 60 || x > g.gutter + g.plot + 20) return;
  context.strokeStyle = colours.ink;
  line(context, x, top + g.band, x, top + g.band + g.bandHeight, 1.2);
  const request = requests[indexAt(requests, read.at)];
  if (request?.number === read.number) drawMark(context, request.style, x, top + g.rail, colours, { scale: 1.35, ring: colours.ink });
  const text = `seen after ${read.seconds.toFixed(1)} s`;
  context.font = FONT(11.5, true);
  const width = context.measureText(text).width;
  const isLeft = x + 8 + width > g.gutter + g.plot + 12;
  texts.write(text, isLeft ? x - 8 - width : x + 8, [top + g.seen], colours.ink);
}

function selection(context, { selection: chosen, view, g, height, colours }) {
  if (!chosen) return;
  const x1 = g.gutter + view.x(chosen.start, g.plot);
  const x2 = g.gutter + view.x(chosen.end, g.plot);
  context.save();
  context.fillStyle = colours.accent;
  context.globalAlpha = 0.1;
  context.fillRect(x1, AXIS, x2 - x1, height);
  context.globalAlpha = 1;
  context.strokeStyle = colours.accent;
  line(context, x1, AXIS, x1, height);
  line(context, x2, AXIS, x2, height);
  context.restore();
}
