// A transcription under way: percent, place in the queue and the text so far, as they come.
// A hint only: the sequence numbers show what is missing, and the page itself is fetched again at the end.
import { element } from "./element.js";
import { clock, number, wait } from "./format.js";
import { data, find } from "./query.js";
import { LiveSocket } from "./socket.js";
import { text } from "./strings.js";

const POLL = 10_000;
const SPOKEN_STEP = 25;
const EARLY = 5; // seconds, before which the pace tells nothing
const OVER = new Set(["completed", "failed", "cancelled"]);

/** @typedef {{index: number, start: number, text: string}} Segment */
/** @typedef {{position?: number | null, eta_seconds?: number | null}} Place */
/**
 * @typedef {Place & {type: "snapshot", seq: number, status: string, percent: number, finding_speakers: boolean, loading_model: boolean,
 *   segments: Segment[]}} Snapshot
 * @typedef {Place & {type: "queue"}} Queue
 * @typedef {{type: "progress", seq: number, percent: number, segments: Segment[]}} Advance
 */

export class Progress {
  #sequence = -1;
  /** @type {Map<number, HTMLElement>} */
  #segments = new Map();
  #status = "";
  #spoken = -1;
  #poll = 0;
  /** The first figure that was heard here. @type {{percent: number, at: number} | null} */
  #first = null;

  /**
   * @param {HTMLElement} root
   * @param {() => void} onOver fetches the page again
   */
  constructor(root, onOver) {
    this.root = root;
    this.onOver = onOver;
    /** @param {string} name */
    this.find = (name) => find(root, `[data-${name}]`, HTMLElement);
    this.bar = find(root, "[data-bar]", HTMLProgressElement);
    this.says = find(document, "[data-say]", HTMLElement);
    this.#status = data(root, "status");
    /** @type {LiveSocket<Snapshot | Queue | Advance>} */
    this.socket = new LiveSocket(`/ws/transcriptions/${data(root, "transcription")}/`, {
      onMessage: (message) => this.#hear(message),
      onState: (connected) => this.#connected(connected),
      onRefused: () => location.reload(),
    });
  }

  close() {
    clearInterval(this.#poll);
    this.socket.close();
  }

  /** @param {boolean} connected */
  #connected(connected) {
    this.find("live-state").hidden = connected;
    clearInterval(this.#poll);
    if (!connected) this.#poll = setInterval(this.onOver, POLL);
  }

  /** @param {Snapshot | Queue | Advance} message */
  #hear(message) {
    if (message.type === "snapshot") return this.#snapshot(message);
    if (message.type === "queue") return this.#queue(message);
    if (message.type !== "progress" || message.seq <= this.#sequence) return;
    if (message.seq !== this.#sequence + 1) return this.socket.send({ type: "resync" });
    this.#sequence = message.seq;
    this.#became("running");
    this.#percent(message.percent);
    this.#add(message.segments);
  }

  /** @param {Snapshot} message */
  #snapshot(message) {
    this.#sequence = message.seq;
    if (OVER.has(message.status)) return this.onOver();
    this.#became(message.finding_speakers ? "speakers" : message.loading_model ? "loading" : message.status);
    this.#percent(message.percent);
    this.#queue(message);
    this.find("segments").replaceChildren();
    this.#segments.clear();
    this.#add(message.segments);
  }

  /** @param {string} status */
  #became(status) {
    if (status === this.#status) return;
    this.#status = status;
    this.find("title").textContent = text(`status_${status}`);
    if (status === "queued") this.bar.removeAttribute("value");
    if (status !== "running") this.#first = null;
    this.find("queue").hidden = status !== "queued";
    this.#say(text(`status_${status}`));
  }

  /** @param {number} percent */
  #percent(percent) {
    const isKnown = (this.#status === "running" && percent > 0) || this.#status === "speakers";
    this.find("percent").hidden = !isKnown;
    this.#left(isKnown ? percent : 0);
    if (!isKnown) return this.bar.removeAttribute("value");
    this.bar.value = percent;
    this.find("percent-value").textContent = String(percent);
    const step = Math.floor(percent / SPOKEN_STEP);
    if (step > this.#spoken && percent > 0) this.#say(text("progress_percent", { percent }));
    this.#spoken = Math.max(step, this.#spoken);
  }

  /**
   * Says when the text will be there, by the pace since the first figure.
   * @param {number} percent
   */
  #left(percent) {
    const now = performance.now() / 1000;
    const isRunning = this.#status === "running" && percent > 0;
    if (isRunning) this.#first ??= { percent, at: now };
    const [seconds, done] = this.#first ? [now - this.#first.at, percent - this.#first.percent] : [0, 0];
    const isEarly = !isRunning || seconds < EARLY || done <= 0;
    this.find("left").textContent = isEarly
      ? ""
      : text("progress_left", { wait: wait((seconds * (100 - percent)) / done) });
  }

  /** @param {Place} place */
  #queue({ position, eta_seconds: eta }) {
    if (this.#status !== "queued") return;
    const parts = [];
    if (position === 0 || position === 1) parts.push(text("queue_next"));
    else if (position != null) parts.push(text("queue_position", { position: number(position) }));
    if (eta != null) parts.push(text("queue_eta", { wait: wait(eta) }));
    this.find("queue").textContent = parts.join(" · ") || text("queue_unknown");
  }

  /** @param {Segment[]} [segments] */
  #add(segments) {
    const list = this.find("segments");
    const atEnd = this.#atEnd();
    for (const segment of segments ?? []) {
      const row = this.#row(segment);
      const known = this.#segments.get(segment.index);
      if (known) known.replaceWith(row);
      else list.append(row);
      this.#segments.set(segment.index, row);
    }
    this.find("text").hidden = this.#segments.size === 0;
    if (atEnd && segments?.length) list.lastElementChild?.scrollIntoView({ block: "nearest" });
  }

  /** Whoever reads the end of the text so far is taken along; whoever scrolled up is left alone. */
  #atEnd() {
    const last = this.find("segments").lastElementChild;
    const box = last?.getBoundingClientRect();
    return Boolean(box && box.bottom <= innerHeight + 80 && box.top > innerHeight / 2);
  }

  /** @param {Segment} segment */
  #row({ start, text: words }) {
    return element(
      "li",
      { class: "segment" },
      element("span", { class: "segment__time" }, clock(start)),
      element("span", { class: "segment__text" }, words.trim()),
    );
  }

  /** @param {string} message */
  #say(message) {
    this.says.textContent = message;
  }
}
