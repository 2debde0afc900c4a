// The legend: what the colours and shapes of marks mean, drawn like the marks.

import { h } from "../dom.js";
import { drawMark } from "./marks.js";
import { readColours } from "./paint.js";

const COLOURS = [["v2 other", "IMDSv2"], ["v1 other", "IMDSv1"], ["agent other", "container agent"], ["refused other", "refused"], ["faulted other", "changed by a fault"], ["v2 other small", "not found"]];
const SHAPES = [["v2 token", "token"], ["v2 credentials", "credentials"], ["v2 notice", "notice"], ["v2 other", "other path"]];

/** The legend. */
export function legend() {
  const made = [];
  const group = (items, isPlain) => items.map(([style, name]) => {
    const canvas = h("canvas", { width: "32", height: "32", "aria-hidden": "true" });
    made.push([canvas, style, isPlain]);
    return h("li", {}, canvas, name);
  });
  const element = h("ul", { class: "tl-legend", "aria-label": "Legend" }, group(COLOURS, false), h("li", { class: "tl-gap", "aria-hidden": "true" }), group(SHAPES, true));
  const draw = () => {
    const colours = readColours();
    for (const [canvas, style, isPlain] of made) {
      const context = canvas.getContext("2d");
      context.setTransform(2, 0, 0, 2, 0, 0);
      context.clearRect(0, 0, 16, 16);
      drawMark(context, style, 8, 8, isPlain ? { ...colours, v2: colours.soft } : colours);
    }
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => element.isConnected && draw());
  draw();
  return element;
}
