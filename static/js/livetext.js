// Text while the microphone records, over OpenAI's realtime protocol. It is a hint: the recording goes its own way,
// whatever happens here, and its transcript replaces this.
import { element } from "./element.js";
import { socketAddress } from "./page.js";
import { data, find } from "./query.js";
import { text } from "./strings.js";

const PATH = "/v1/realtime";
const TRANSCRIPTION = "conversation.item.input_audio_transcription.";
const MOST_BUFFERED = 1_000_000;
const RETRY = 5000;
const LINGER = 15_000;
const SHOWN_IN_CAPTIONS = 2;
const FINAL = new Set([1008, 4401, 4409]); // trying again would change nothing
const KEPT = "live-text";

const NOTHING_LEFT = "input_audio_buffer_commit_empty"; // the microphone went off while nobody spoke

/** @typedef {{type: string, item_id?: string, delta?: string, partial?: string, transcript?: string, lag_seconds?: number, error?: {code: string, message: string}}} Event */
/** @typedef {{node: HTMLElement, firm: HTMLElement, partial: HTMLElement}} Line */

export class LiveText {
  /** @type {{context: AudioContext, wanted: boolean} | null} */
  #sound = null;
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {Window | null} */
  #captions = null;
  /** @type {Map<string, Line>} */
  #lines = new Map();
  /** Why the server ends, or can't do what was chosen. */
  #refusal = "";
  paused = false;

  /**
   * @param {HTMLElement} panel
   * @param {() => {language: string, model: string}} chosen how the recording is to be heard; empty texts for the usual
   */
  constructor(panel, chosen) {
    this.chosen = chosen;
    this.area = find(panel, "[data-livetext]", HTMLElement);
    this.lines = find(panel, "[data-livetext-lines]", HTMLElement);
    this.note = find(panel, "[data-livetext-note]", HTMLElement);
    this.wanted = find(panel, "[data-livetext-wanted]", HTMLInputElement);
    this.opener = find(panel, "[data-livetext-window]", HTMLButtonElement);
    this.wanted.checked = kept() !== "off";
    this.wanted.addEventListener("change", () => this.#choose());
    this.opener.addEventListener("click", () => this.#openCaptions());
  }

  /** @param {MediaStream} stream */
  async start(stream) {
    this.#lines.clear();
    this.lines.replaceChildren();
    this.note.textContent = "";
    this.paused = false;
    if (!globalThis.AudioWorkletNode) return;
    this.area.hidden = false;
    const context = new AudioContext();
    const sound = { context, wanted: true };
    this.#sound = sound;
    try {
      await context.audioWorklet.addModule(data(this.area, "worklet"));
      if (!sound.wanted) return;
      const pcm = new AudioWorkletNode(context, "pcm", { numberOfOutputs: 0 });
      pcm.port.onmessage = ({ data: piece }) => this.#send(piece);
      context.createMediaStreamSource(stream).connect(pcm);
    } catch (error) {
      console.warn("No live text:", error);
      return this.#say("live_away");
    }
    this.#choose();
  }

  /** The microphone is off; what was said last still gets its text. */
  stop() {
    if (!this.#sound) return;
    this.#sound.wanted = false;
    this.#sound.context.close();
    this.#sound = null;
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return this.#close();
    socket.send(JSON.stringify({ type: "input_audio_buffer.commit" }));
    setTimeout(() => socket.close(), LINGER);
  }

  /** The recording was sent or discarded. */
  forget() {
    this.stop();
    this.#close();
    this.area.hidden = true;
    this.#captions?.close();
    this.#captions = null;
  }

  /** Another language or model was chosen: what comes from now on is heard so. */
  update() {
    this.#refusal = "";
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(this.#session()));
    else this.#open();
  }

  #choose() {
    const { checked } = this.wanted;
    keep(checked ? "on" : "off");
    this.lines.hidden = !checked;
    this.opener.hidden = !checked;
    this.note.textContent = "";
    if (!checked) this.#close();
    else if (this.#sound) this.#open();
  }

  #close() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #open() {
    if (!this.#sound || !this.wanted.checked || this.#socket) return;
    const socket = new WebSocket(`${socketAddress(PATH)}&intent=transcription`);
    this.#socket = socket;
    this.#refusal = "";
    socket.addEventListener("open", () => socket.send(JSON.stringify(this.#session())));
    socket.addEventListener("message", (event) => this.#hear(JSON.parse(event.data)));
    socket.addEventListener("close", ({ code }) => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      if (!this.#sound) return;
      if (this.#refusal) this.note.textContent = this.#refusal;
      else this.#say("live_away");
      if (!FINAL.has(code)) setTimeout(() => this.#open(), RETRY);
    });
  }

  #session() {
    const { language, model } = this.chosen();
    const input = { transcription: { language: language || null, model } };
    const include = ["item.input_audio_transcription.partial"];
    return { type: "session.update", session: { type: "transcription", audio: { input }, include } };
  }

  /** @param {Int16Array<ArrayBuffer>} piece */
  #send(piece) {
    const socket = this.#socket;
    if (this.paused || socket?.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > MOST_BUFFERED) return this.#say("live_away");
    const audio = btoa(String.fromCharCode(...new Uint8Array(piece.buffer)));
    socket.send(JSON.stringify({ type: "input_audio_buffer.append", audio }));
  }

  /** @param {Event} event */
  #hear({ type, item_id, delta, partial, transcript, lag_seconds, error }) {
    if (type === "session.updated") this.note.textContent = "";
    if (type === "error" && error && error.code !== NOTHING_LEFT) {
      this.#refusal = error.message;
      this.note.textContent = error.message;
    }
    if (type === "input_audio_buffer.lag") {
      if (lag_seconds) this.#say("live_lag", { seconds: Math.round(lag_seconds) });
      else this.note.textContent = "";
    }
    if (!item_id || !type.startsWith(TRANSCRIPTION)) return;
    const line = this.#line(item_id);
    if (delta) line.firm.append(delta);
    if (transcript !== undefined && line.firm.textContent?.trim() !== transcript) line.firm.textContent = transcript;
    line.partial.textContent = partial ?? "";
    this.lines.scrollTop = this.lines.scrollHeight;
    this.#paintCaptions();
  }

  /** @param {string} id */
  #line(id) {
    const known = this.#lines.get(id);
    if (known) return known;
    const firm = element("span", {});
    const partial = element("span", { class: "livetext__partial", "aria-hidden": "true" });
    const line = { node: element("p", {}, firm, partial), firm, partial };
    this.#lines.set(id, line);
    this.lines.append(line.node);
    return line;
  }

  /**
   * @param {string} key
   * @param {Record<string, number>} [values]
   */
  #say(key, values) {
    this.note.textContent = text(key, values);
  }

  #openCaptions() {
    const opened = open("", "captions", "popup,width=760,height=240");
    if (!opened) return;
    this.#captions = opened;
    const { document: page } = opened;
    page.title = text("live_captions");
    page.documentElement.lang = document.documentElement.lang;
    page.documentElement.dataset.theme = document.documentElement.dataset.theme ?? "";
    page.head.replaceChildren(
      ...[...document.querySelectorAll("link[rel=stylesheet]")].map((link) => page.importNode(link, true)),
    );
    page.body.className = "captions";
    this.#paintCaptions();
  }

  #paintCaptions() {
    if (!this.#captions || this.#captions.closed) return;
    const page = this.#captions.document;
    const last = [...this.#lines.values()].slice(-SHOWN_IN_CAPTIONS);
    page.body.replaceChildren(...last.map((line) => page.importNode(line.node, true)));
  }
}

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null; // a browser that keeps nothing
  }
}

/** @param {"on" | "off"} choice */
function keep(choice) {
  try {
    localStorage.setItem(KEPT, choice);
  } catch {
    /* it is asked for again the next time */
  }
}
