// Hears lines again under other options, and shows what was heard beside what stands there. Enter takes it, Escape keeps
// the old text. The work is the server's: a dialog that was closed, or a page that was loaded anew, loses nothing.
import { messageOf } from "./changes.js";
import { element } from "./element.js";
import { clock } from "./format.js";
import { ask } from "./page.js";
import { data, find } from "./query.js";
import { LiveSocket } from "./socket.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

const PREVIEW = 40; // characters of a line in the list of lines
const RANGE = 60; // lines in it
const LOOK = 5000; // milliseconds: the database is asked, too
const AROUND = 0.5; // seconds that are played before and after
const PARTS = ["form", "work", "result"];

/** @import { Change, Changes } from "./changes.js" */
/** @import { Player } from "./player.js" */
/** @import { Transcript } from "./transcript.js" */
/** @typedef {{first: number, last: number} | {start: number, end: number}} Where lines, or seconds without text */
/**
 * @typedef {object} State the last four are there once it is completed
 * @property {string} address
 * @property {string} status
 * @property {number} percent
 * @property {string} [error]
 * @property {string} [etag]
 * @property {string} [html]
 * @property {boolean} [is_same]
 * @property {boolean} [is_changed]
 */
/** @typedef {{type: string, status?: string, loading_model?: boolean, percent?: number, segments?: {index: number, text: string}[]}} Message */

export class Rehearing {
  /** @type {Where} */
  #where = { first: 0, last: 0 };
  /** @type {(change: Change) => Promise<void>} */
  #taken = async () => {};
  /** @type {State | null} */
  #state = null;
  /** @type {LiveSocket<Message> | null} */
  #socket = null;
  #timer = 0;
  /** Counts how often the dialog was opened and left: answers to what was asked before come to nothing. */
  #opened = 0;
  #busy = false;
  /** @type {Map<number, string>} */
  #heard = new Map();

  /**
   * @param {Transcript} transcript
   * @param {Changes} changes
   * @param {Player | null} player
   */
  constructor(transcript, changes, player) {
    this.transcript = transcript;
    this.changes = changes;
    this.player = player;
    this.dialog = find(document, "#rehear", HTMLDialogElement);
    this.form = find(this.dialog, "form", HTMLFormElement);
    this.last = find(this.form, "[data-rehear-last]", HTMLSelectElement);
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.form.addEventListener("submit", (event) => this.#ask(event), { signal });
    this.dialog.addEventListener("close", () => this.#leave(), { signal });
    this.dialog.addEventListener("keydown", (event) => this.#key(event), { signal });
    /** @type {Record<string, () => void>} */
    const buttons = {
      stop: () => this.#cancel(),
      play: () => this.#play(),
      other: () => this.#choose(),
      take: () => this.#take(),
    };
    for (const [name, run] of Object.entries(buttons))
      this.dialog.querySelector(`[data-rehear-${name}]`)?.addEventListener("click", run, { signal });
  }

  close() {
    this.#unwatch();
    this.stop.abort();
  }

  /**
   * @param {Where} where
   * @param {(change: Change) => Promise<void>} [taken] shows what was taken
   */
  open(where, taken) {
    this.#opened += 1;
    this.#where = where;
    this.#taken = taken ?? ((change) => this.#shown(change));
    const isGap = "start" in where;
    const line = isGap ? null : this.transcript.segments[where.first];
    if (!isGap && !line) return;
    const time = clock(isGap ? where.start : (line?.start ?? 0));
    find(this.form, "[data-rehear-from]", HTMLElement).textContent = text(isGap ? "rehear_gap" : "rehear_line", {
      time,
    });
    this.last.hidden = isGap;
    this.last.replaceChildren(...(isGap ? [] : this.#lines(where.first)));
    this.dialog.showModal();
    this.#choose();
  }

  /** @param {number} first */
  #lines(first) {
    return this.transcript.segments.slice(first, first + RANGE).map((line, at) => {
      const label = at ? text("rehear_to", { time: line.time, start: line.preview(PREVIEW) }) : text("rehear_one");
      return element("option", { value: line.index }, label);
    });
  }

  #choose() {
    this.#part("form");
    this.#refuse("");
    find(this.form, "[name=language]", HTMLSelectElement).focus();
  }

  /** @param {string} shown */
  #part(shown) {
    for (const name of PARTS) find(this.dialog, `[data-rehear-${name}]`, HTMLElement).hidden = name !== shown;
  }

  /** @param {SubmitEvent} event */
  async #ask(event) {
    event.preventDefault();
    const given = new FormData(this.form);
    const options = Object.fromEntries(
      ["language", "model", "prompt"].map((name) => [name, String(given.get(name) ?? "")]),
    );
    options.beam_size = String(given.get("beam_size") ?? 1);
    const where = "start" in this.#where ? this.#where : { first: this.#where.first, last: Number(this.last.value) };
    const opened = this.#opened;
    const state = await this.#send(data(this.dialog, "address"), { ...where, options });
    if (state && opened === this.#opened) this.#follow(state);
  }

  /** @param {State} state */
  #follow(state) {
    this.#state = state;
    if (state.status === "completed") return this.#show(state);
    if (state.status === "failed" || state.status === "cancelled") {
      this.#unwatch();
      this.#choose();
      return this.#refuse(state.error ?? text("rehear_cancelled"));
    }
    this.#part("work");
    this.#tell(state.status);
    if (this.#socket) return;
    this.#heard.clear();
    this.#draw();
    find(this.dialog, "[data-rehear-stop]", HTMLButtonElement).focus();
    const id = state.address.split("/").at(-2);
    this.#socket = new LiveSocket(`/ws/transcriptions/${id}/`, {
      onMessage: (message) => this.#hear(message),
      onState: () => {},
      onRefused: () => this.#look(),
    });
    this.#timer = window.setInterval(() => this.#look(), LOOK);
  }

  /** @param {Message} message */
  #hear({ type, status, loading_model, percent, segments }) {
    if (type === "snapshot") this.#heard.clear();
    if (status && ["completed", "failed", "cancelled"].includes(status)) return void this.#look();
    if (type === "snapshot" && status) this.#tell(loading_model ? "loading" : status);
    if (type === "progress") this.#tell("running");
    if (percent) find(this.dialog, "[data-rehear-bar]", HTMLProgressElement).value = percent;
    for (const segment of segments ?? []) this.#heard.set(segment.index, segment.text.trim());
    this.#draw();
  }

  #draw() {
    find(this.dialog, "[data-rehear-text]", HTMLElement).textContent = [...this.#heard.values()].join(" ");
  }

  /** @param {string} status */
  #tell(status) {
    const shown = find(this.dialog, "[data-rehear-status]", HTMLElement);
    const said = text(`status_${status}`);
    if (shown.textContent !== said) shown.textContent = said;
    if (status === "queued") find(this.dialog, "[data-rehear-bar]", HTMLProgressElement).removeAttribute("value");
  }

  /** Asks the database how far it is. */
  async #look() {
    const { address } = this.#state ?? {};
    const opened = this.#opened;
    if (!address || !this.#socket) return;
    try {
      const answer = await ask(address);
      if (opened !== this.#opened) return;
      if (answer.ok && this.#socket) this.#follow(await answer.json());
      else if (answer.status === 404) this.#follow({ address, status: "cancelled", percent: 0 });
    } catch {
      /* asked again soon */
    }
  }

  /** @param {State} state */
  #show(state) {
    this.#unwatch();
    this.#state = state;
    this.#part("result");
    const note = state.is_same ? "rehear_same" : state.is_changed ? "rehear_changed" : "";
    find(this.dialog, "[data-rehear-note]", HTMLElement).textContent = note && text(note);
    const page = new DOMParser().parseFromString(state.html ?? "", "text/html");
    find(this.dialog, "[data-rehear-html]", HTMLElement).replaceChildren(...page.body.children);
    const take = find(this.dialog, "[data-rehear-take]", HTMLButtonElement);
    take.disabled = Boolean(state.is_same);
    (state.is_same ? find(this.dialog, "[data-rehear-other]", HTMLButtonElement) : take).focus();
    this.#refuse("");
  }

  async #take() {
    const { address, etag } = this.#state ?? {};
    if (!address) return;
    const change = await this.#send(address, { do: "take", etag });
    if (!change) return;
    this.dialog.close();
    await this.#taken(change);
  }

  /** @param {Change} change */
  async #shown(change) {
    await this.changes.made(change);
    toast(text("rehear_taken"), { action: { label: text("edit_undo"), run: () => this.changes.undo() } });
  }

  async #cancel() {
    const { address } = this.#state ?? {};
    const state = address && (await this.#send(address, { do: "stop" }));
    if (state) this.#follow(state);
  }

  #play() {
    const { first = -1, start, end } = /** @type {{first?: number, start?: number, end?: number}} */ (this.#where);
    const lines = this.transcript.segments;
    const begin = start ?? lines[first]?.start ?? 0;
    const until = end ?? (lines[Number(this.last.value)] ?? lines[first])?.end ?? begin;
    this.player?.playRange(Math.max(0, begin - AROUND), until + AROUND);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (find(this.dialog, "[data-rehear-result]", HTMLElement).hidden || event.ctrlKey || event.metaKey || event.altKey)
      return;
    const onButton = event.target instanceof HTMLButtonElement;
    /** @type {Record<string, () => void>} */
    const keys = { p: () => this.#play(), F2: () => this.#choose() };
    if (!onButton && !this.#state?.is_same) keys.Enter = () => this.#take();
    const run = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!run) return;
    event.preventDefault();
    run();
  }

  #leave() {
    this.#opened += 1;
    this.#unwatch();
    this.player?.audio.pause();
  }

  #unwatch() {
    this.#socket?.close();
    this.#socket = null;
    clearInterval(this.#timer);
  }

  /**
   * @param {string} address
   * @param {object} body
   */
  async #send(address, body) {
    if (this.#busy) return null;
    this.#busy = true;
    try {
      const answer = await this.changes.post(address, body);
      if (answer.ok) return await answer.json();
      /** @type {{now?: State}} */
      const { now } = answer.status === 412 ? await answer.clone().json() : {};
      if (now) this.#show(now);
      this.#refuse(await messageOf(answer, "rehear_failed"));
    } catch {
      this.#refuse(text("rehear_failed"));
    } finally {
      this.#busy = false;
    }
    return null;
  }

  /** @param {string} said */
  #refuse(said) {
    const alert = find(this.dialog, "[data-rehear-alert]", HTMLElement);
    alert.replaceChildren(...(said ? [element("p", { class: "field__errors" }, said)] : []));
  }
}
