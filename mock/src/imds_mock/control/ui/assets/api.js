// The mock's API: JSON requests, problems as sentences, the bearer token, and streams that reconnect.

import { notify, openDialog } from "./dialog.js";
import { h } from "./dom.js";

const KEY = "imds-mock-token";
const SILENCE_MS = 40_000;
const LONGEST_PAUSE_MS = 4_000;

/** A refused request; `message` is one sentence. */
export class ApiError extends Error {
  constructor(message, status = 0, errors = []) {
    super(message);
    this.status = status; // 0: no response
    this.errors = errors; // invalid fields: [{field, detail}]
  }
}

// The API is beside the page, also behind a proxy that adds a prefix.
const ROOT = new URL("..", location.href).pathname.replace(/\/$/, "");

let token = sessionStorage.getItem(KEY) ?? "";
let login = null;

function headers(more = {}) {
  return token ? { Authorization: `Bearer ${token}`, ...more } : more;
}

/** Whether a response says that a token would help. */
function wantsToken(response) {
  return response.status === 401 || (response.status === 403 && response.headers.has("WWW-Authenticate"));
}

/** Send a request; asks for the token if the mock wants one. */
async function send(method, path, { body, type, signal, accept } = {}) {
  for (;;) {
    const sent = { method, signal, cache: "no-store", headers: headers(accept ? { Accept: accept } : {}) };
    if (body !== undefined) {
      sent.headers["Content-Type"] = type;
      sent.body = JSON.stringify(body);
    }
    const used = token;
    let response;
    try {
      response = await fetch(ROOT + path, sent);
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ApiError("The mock does not answer.");
    }
    if (!wantsToken(response)) return response;
    // Another request may have asked for a new token in the meantime.
    if (used === token) await askForToken(used !== "");
  }
}

function askForToken(wasRefused) {
  login ??= openLogin(wasRefused).finally(() => (login = null));
  return login;
}

async function openLogin(wasRefused) {
  const input = h("input", { type: "password", id: "token", autocomplete: "off", required: true, spellcheck: "false", "aria-describedby": "token-problem" });
  const problem = h("p", { class: "error", id: "token-problem", role: "alert", hidden: !wasRefused }, "The mock rejected this token.");
  const form = h(
    "form",
    { class: "stack" },
    h("p", {}, "This mock requires a token. Enter the value of its setting ", h("code", {}, "control.token"), "."),
    problem,
    h("label", { class: "field" }, h("span", {}, "Token"), input),
    h("p", { class: "muted" }, "The browser keeps it until you close this tab."),
    h("div", { class: "dialog-actions" }, h("button", { class: "primary" }, "Log in")),
  );
  const { close, closed } = openDialog({ title: "Log in", body: form, actions: [], mustAnswer: true });
  input.focus();
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const typed = input.value.trim();
    // The browser cannot send any other character in a header.
    if (/[^\x20-\x7e]/.test(typed)) {
      problem.hidden = false;
      problem.textContent = "This token has characters other than ASCII, so it is not the mock's token.";
      return;
    }
    token = typed;
    sessionStorage.setItem(KEY, token);
    close();
  });
  await closed;
}

async function call(method, path, options) {
  const response = await send(method, path, options);
  const type = response.headers.get("Content-Type") ?? "";
  const content = type.includes("json") ? await response.json() : await response.text();
  if (!response.ok) {
    const sentence = content?.detail ?? `The mock answered ${response.status}.`;
    throw new ApiError(sentence, response.status, content?.errors ?? []);
  }
  // The page already shows what a note about a change of metadata says.
  const note = path.startsWith("/v1/metadata/") ? null : response.headers.get("Imds-Mock-Note");
  if (note) notify(note.replaceAll("`", ""));
  return response.status === 204 ? null : content;
}

const JSON_TYPE = "application/json";

export const api = {
  /** GET a path; returns the decoded JSON, or the text. */
  get: (path) => call("GET", path),
  post: (path, body) => call("POST", path, { body, type: JSON_TYPE }),
  put: (path, body) => call("PUT", path, { body, type: JSON_TYPE }),
  /** Send a merge patch (RFC 7396). */
  patch: (path, body) => call("PATCH", path, { body, type: "application/merge-patch+json" }),
  delete: (path) => call("DELETE", path),
  /** Send any request and return the `Response`, without a check of its status. */
  raw: (method, path, options) => send(method, path, options),
  stream,
};

/**
 * Follow server-sent events; reconnects until it is closed, and continues after the last id.
 *
 * @param {string | (() => string)} path A path, or a function that gives one for each connection.
 * @param {object} listeners
 * @param {(message: {event: string, id: string, data: any}) => void} listeners.onMessage Data is decoded JSON.
 * @param {(state: "open" | "closed", reason?: string) => void} [listeners.onState] Called when the connection opens
 *   and closes, then with the mock's sentence if it has refused the stream.
 * @returns {{close: () => void}}
 */
function stream(path, { onMessage, onState = () => {} }) {
  const stop = new AbortController();
  run();
  return { close: () => stop.abort() };

  async function run() {
    let pause = 250;
    while (!stop.signal.aborted) {
      const silence = new AbortController();
      const signal = AbortSignal.any([stop.signal, silence.signal]);
      let timer = setTimeout(() => silence.abort(), SILENCE_MS);
      let reason = "";
      try {
        const where = typeof path === "function" ? path() : path;
        const response = await send("GET", where, { signal, accept: "text/event-stream" });
        if (!response.ok) reason = (await response.json().catch(() => null))?.detail ?? "";
        if (!response.ok) throw new ApiError(reason, response.status);
        pause = 250;
        onState("open");
        const heard = () => {
          clearTimeout(timer);
          timer = setTimeout(() => silence.abort(), SILENCE_MS);
        };
        await read(response.body, heard, onMessage);
      } catch (error) {
        if (!(error instanceof ApiError || error.name === "AbortError" || error instanceof TypeError)) throw error;
      } finally {
        clearTimeout(timer);
      }
      if (stop.signal.aborted) return;
      onState("closed", reason);
      await new Promise((done) => setTimeout(done, pause));
      pause = Math.min(LONGEST_PAUSE_MS, pause * 2);
    }
  }
}

/** Read events (HTML standard, 9.2.6) until the body ends. */
async function read(body, heard, onMessage) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const message = { event: "message", id: "", data: "" };
      for (const line of block.split("\n")) {
        const [, field, text] = /^([^:]*):? ?(.*)$/.exec(line);
        if (field) message[field] = text;
      }
      if (message.data) onMessage({ ...message, data: JSON.parse(message.data) });
    }
  }
}
