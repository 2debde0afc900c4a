// The timeline by keyboard: from mark to mark, from lane to lane, zoom, pause.

import { indexAt } from "./lanes.js";

/** What each key does, for the page's help. */
export const KEYS = [
  ["← →", "previous, next request of the caller"],
  ["↑ ↓", "caller above, below"],
  ["Home End", "first, last request of the caller"],
  ["Enter", "open the request"],
  ["Shift ← →", "select a span, request by request"],
  ["Z", "zoom to the selected span"],
  ["+ −", "zoom in, out"],
  ["Page Up, Page Down", "earlier, later"],
  ["Space", "pause, follow"],
  ["Esc", "clear the selection"],
];

/** Let keys on the canvas steer a chart. */
export function steer(canvas, chart) {
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = (event.shiftKey && WITH_SHIFT[event.key]) || ACTIONS[event.key];
    if (!act) return;
    event.preventDefault();
    act(chart);
  });
}

const ACTIONS = {
  ArrowRight: (chart) => step(chart, 1),
  ArrowLeft: (chart) => step(chart, -1),
  ArrowDown: (chart) => change(chart, 1),
  ArrowUp: (chart) => change(chart, -1),
  Home: (chart) => edge(chart, 0),
  End: (chart) => edge(chart, -1),
  Enter: (chart) => (chart.scene.selected ? focusDetails() : step(chart, -1)),
  z: (chart) => chart.zoomToSpan(),
  Z: (chart) => chart.zoomToSpan(),
  "+": (chart) => chart.zoom(0.5),
  "=": (chart) => chart.zoom(0.5),
  "-": (chart) => chart.zoom(2),
  PageUp: (chart) => pan(chart, -0.8),
  PageDown: (chart) => pan(chart, 0.8),
  " ": (chart) => {
    chart.view.follows = !chart.view.follows;
    chart.moved();
  },
  Escape: (chart) => {
    chart.setSpan(null);
    chart.select(null);
  },
};

const WITH_SHIFT = {
  ArrowRight: (chart) => extend(chart, 1),
  ArrowLeft: (chart) => extend(chart, -1),
};

/** Select the span from the request where it began to the next or previous one. */
function extend(chart, by) {
  const before = chart.scene.selected;
  step(chart, by);
  const after = chart.scene.selected;
  if (!before) return;
  const anchor = chart.scene.selection?.anchor ?? before.at;
  chart.setSpan({ start: Math.min(anchor, after.at), end: Math.max(anchor, after.at) + 1, anchor });
}

function focusDetails() {
  document.getElementById("request-title")?.focus();
}

function pan(chart, share) {
  chart.view.pan(share * chart.view.span);
  chart.moved();
}

function choose(chart, mark) {
  if (!mark) return;
  chart.select(mark, { isSpoken: true });
  chart.reveal(mark);
}

/** The next or previous mark in the lane; without a selection, the latest mark in view in the first lane that has one. */
function step(chart, by) {
  const { selected, lanes } = chart.scene;
  if (!selected) {
    const lane = lanes.find((each) => each.requests.some(({ at }) => at <= chart.view.end && at >= chart.view.start));
    const last = lane && indexAt(lane.requests, chart.view.end) - 1;
    return choose(chart, lane ? lane.requests[last] : lanes[0]?.requests.at(-1));
  }
  const { requests } = chart.laneOf(selected);
  choose(chart, requests[requests.indexOf(selected) + by]);
}

/** The mark of another lane that is nearest in time. */
function change(chart, by) {
  const { selected, lanes } = chart.scene;
  if (!selected) return step(chart, by);
  let index = lanes.indexOf(chart.laneOf(selected)) + by;
  while (lanes[index] && !lanes[index].requests.length) index += by;
  const requests = lanes[index]?.requests;
  if (!requests) return;
  const next = indexAt(requests, selected.at);
  const near = [requests[next - 1], requests[next]].filter(Boolean);
  choose(chart, near.sort((a, b) => Math.abs(a.at - selected.at) - Math.abs(b.at - selected.at))[0]);
}

function edge(chart, index) {
  const { selected, lanes } = chart.scene;
  const lane = selected ? chart.laneOf(selected) : lanes[0];
  choose(chart, lane?.requests.at(index));
}
