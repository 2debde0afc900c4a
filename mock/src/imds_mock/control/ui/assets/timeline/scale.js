// Time to pixels, the part of time that is in view, and the ticks of the axis.

import { clockTime, dayName } from "../format.js";

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400].map((s) => s * 1000);
const DAY = 86_400_000;
export const SHORTEST = 500;
export const LONGEST = 7 * 86_400_000;

/** How much of the view lies after now, so that what is armed can be seen ahead. */
const AHEAD = 0.16;

/** The part of time in view: it follows the clock until it is moved. */
export class View {
  constructor(span) {
    this.span = span;
    this.follows = true;
    this.start = 0;
  }

  get end() {
    return this.start + this.span;
  }

  /** Move with the clock. */
  advance(now) {
    if (this.follows) this.start = now - this.span * (1 - AHEAD);
  }

  /** Change the length around a time that stays where it is; a following view keeps following. */
  zoom(factor, around) {
    const span = Math.min(LONGEST, Math.max(SHORTEST, this.span * factor));
    const place = (around - this.start) / this.span;
    this.span = span;
    if (!this.follows) this.start = around - place * span;
  }

  /** Stop following and move by some milliseconds. */
  pan(milliseconds) {
    this.follows = false;
    this.start += milliseconds;
  }

  /** Stop following and show a part of time. */
  show(start, end) {
    this.follows = false;
    this.span = Math.min(LONGEST, Math.max(SHORTEST, end - start));
    this.start = start;
  }

  x(at, width) {
    return ((at - this.start) / this.span) * width;
  }

  at(x, width) {
    return this.start + (x / width) * this.span;
  }

  /** Ticks at round local times: `[time, label]`. The label of midnight is the day that begins. */
  ticks(width) {
    const fewest = Math.max(1, Math.floor(width / 110));
    const step = STEPS.find((each) => this.span / each <= fewest) ?? STEPS[STEPS.length - 1];
    const zone = new Date(this.start).getTimezoneOffset() * 60_000;
    const ticks = [];
    for (let at = Math.ceil((this.start - zone) / step) * step + zone; at < this.end; at += step) {
      const isMidnight = step >= 60_000 && (at - zone) % DAY === 0;
      ticks.push([at, isMidnight ? dayName(at) : clockTime(at, { withMilliseconds: this.span < 2000 })]);
    }
    return ticks;
  }
}
