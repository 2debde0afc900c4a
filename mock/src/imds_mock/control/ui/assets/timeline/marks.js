// The mark of a request: its colour shows the protocol and the outcome, its shape what was requested.

export const COLOURS = ["v2", "v1", "agent", "refused", "faulted"];
export const SHAPES = ["token", "credentials", "notice", "other"];

const NOTICE = /\/meta-data\/(spot\/|events\/(recommendations\/rebalance|maintenance\/)|autoscaling\/target-lifecycle-state)/;
const CREDENTIALS = /\/(iam\/security-credentials|identity-credentials)(\/|$)|^\/(v2\/credentials|creds|role|v1\/credentials)/;

/** The colour, shape and size of a request's mark, as the key of a sprite such as `v2 token` or `v2 other small`. */
export function styleOf(request) {
  const small = request.status === 404 && !request.faults.length ? " small" : "";
  return `${colourOf(request)} ${shapeOf(request)}${small}`;
}

function colourOf({ faults, status, version }) {
  if (faults.length) return "faulted";
  if (status === null || (status >= 400 && status !== 404)) return "refused";
  if (version === "ecs" || version === "eks") return "agent";
  return version === "v1" ? "v1" : "v2";
}

function shapeOf({ path }) {
  if (path.endsWith("/api/token")) return "token";
  if (NOTICE.test(path)) return "notice";
  return CREDENTIALS.test(path) ? "credentials" : "other";
}

/** The order of marks at one place: the one with the highest weight is drawn on top and selected first. */
export function weight(style) {
  return style.startsWith("faulted") ? 3 : style.startsWith("refused") ? 2 : style.startsWith("v1") ? 1 : 0;
}

/** Words for a request's protocol. */
export function versionName(request) {
  return { v1: "IMDSv1", v2: "IMDSv2", ecs: "ECS agent", eks: "EKS agent" }[request.version] ?? "no HTTP request";
}

/** Words for the status of a request's response. */
export function answerName(request) {
  return request.status === null ? "no response" : String(request.status);
}

function trace(context, shape, x, y, r) {
  context.beginPath();
  if (shape === "token") {
    context.moveTo(x, y - r * 1.25);
    context.lineTo(x + r * 1.25, y);
    context.lineTo(x, y + r * 1.25);
    context.lineTo(x - r * 1.25, y);
    context.closePath();
  } else if (shape === "credentials") {
    context.roundRect(x - r, y - r, 2 * r, 2 * r, 1.5);
  } else if (shape === "notice") {
    context.moveTo(x, y - r * 1.3);
    context.lineTo(x + r * 1.3, y + r);
    context.lineTo(x - r * 1.3, y + r);
    context.closePath();
  } else {
    context.arc(x, y, r, 0, 2 * Math.PI);
  }
}

/** Draw a mark around a point; `colours` are the page's tokens. */
export function drawMark(context, style, x, y, colours, { scale = 1, ring = null } = {}) {
  const [colour, shape, size] = style.split(" ");
  const r = (size === "small" ? 3 : 4.4) * scale;
  const tone = colours[{ refused: "bad", faulted: "bad" }[colour] ?? colour];
  trace(context, shape, x, y, r);
  const isHollow = colour === "v1" || colour === "refused";
  context.fillStyle = isHollow ? colours.panel : tone;
  context.fill();
  context.lineWidth = isHollow ? 1.8 : 1;
  context.strokeStyle = isHollow ? tone : colours.panel;
  context.stroke();
  if (colour === "refused") {
    context.beginPath();
    context.moveTo(x - r * 0.8, y + r * 0.8);
    context.lineTo(x + r * 0.8, y - r * 0.8);
    context.lineWidth = 1.6;
    context.stroke();
  }
  if (ring) {
    trace(context, shape, x, y, r + 2);
    context.lineWidth = 1.6;
    context.strokeStyle = ring;
    context.stroke();
  }
}

/** Small pictures of all marks, so that drawing 10,000 requests only copies pixels. */
export class Sprites {
  constructor(colours, ratio) {
    this.colours = colours;
    this.ratio = ratio;
    this.made = new Map();
  }

  draw(context, style, x, y) {
    let sprite = this.made.get(style);
    if (!sprite) {
      sprite = document.createElement("canvas");
      sprite.width = sprite.height = Math.ceil(18 * this.ratio);
      const own = sprite.getContext("2d");
      own.scale(this.ratio, this.ratio);
      drawMark(own, style, 9, 9, this.colours);
      this.made.set(style, sprite);
    }
    context.drawImage(sprite, x - 9, y - 9, 18, 18);
  }
}
