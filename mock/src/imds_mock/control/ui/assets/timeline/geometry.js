// Positions and sizes on the chart, in CSS pixels.

export const AXIS = 30;

/** Sizes for a chart of some width: narrow ones have the name above the lane instead of beside it. */
export function geometry(width) {
  const isNarrow = width < 640;
  const gutter = isNarrow ? 12 : Math.min(260, Math.max(180, width * 0.17));
  const header = isNarrow ? 40 : 0;
  return {
    isNarrow,
    gutter,
    plot: Math.max(40, width - gutter - 14),
    lane: header + 98,
    /** Offsets from the top of a lane. */
    label: header + 14,
    band: header + 20,
    bandHeight: 54,
    rail: header + 45,
    seen: header + 88,
  };
}
