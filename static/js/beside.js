// Another text of the recording beside the transcript: its segments stand at the lines that they are heard with, as
// transcription/exports/beside.py has them in files. A translation that is asked for here is watched until it is there.
import { messageOf } from "./changes.js";
import { element } from "./element.js";
import { ask } from "./page.js";
import { data, find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

const LOOK = 2000; // milliseconds
const MOST_LINES = 50; // that begin while a segment lasts are looked at
const SETTLE = 200; // in which changes of the lines are gathered
const KEPT = "portal.beside"; // "on" where somebody wants a translation beside, wherever there is one

/** @import { Change } from "./changes.js" */
/** @import { Line } from "./lines.js" */
/** @import { Transcript } from "./transcript.js" */
/** @typedef {{id: string, label: string, address: string, translates: boolean}} Text */
/** @typedef {{status: string, percent: number, cancel: string, error?: string}} Work */
/** @typedef {{texts: Text[], under_way: Work | null, asked?: string}} State */
/** @typedef {[start: number, end: number, text: string]} Said */

export class Beside {
  /** @type {Said[]} */
  #said = [];
  #language = "";
  #timer = 0;
  #drawing = 0;
  /** Counts what was chosen: an answer to what was chosen before comes to nothing. */
  #chosen = 0;
  #awaited = ""; // the id of the translation that was asked for here
  #cancel = "";
  #outdated = false; // something was struck, or given back, since the text was read

  /**
   * @param {HTMLElement} bar
   * @param {Transcript} transcript
   */
  constructor(bar, transcript) {
    this.bar = bar;
    this.transcript = transcript;
    this.address = data(bar, "address");
    this.select = find(bar, "[data-beside-select]", HTMLSelectElement);
    this.choice = find(bar, "[data-beside-choice]", HTMLElement);
    this.work = find(bar, "[data-beside-work]", HTMLElement);
    this.says = find(bar, "[data-beside-say]", HTMLElement);
    /** @type {HTMLElement | null} null for who may not translate */
    this.button = bar.querySelector("[data-beside-translate]");
    /** @type {HTMLElement | null} */
    this.cost = bar.querySelector("[data-beside-cost]");
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.select.addEventListener("change", () => this.#choose(true), { signal });
    this.button?.addEventListener("click", () => this.#translate(), { signal });
    bar.querySelector("[data-beside-cancel]")?.addEventListener("click", () => this.#stopWork(), { signal });
    for (const name of ["changed", "more"])
      transcript.root.addEventListener(name, (event) => this.#drawSoon(event), { signal });
    transcript.root.addEventListener("drawn", (event) => this.#put(/** @type {CustomEvent} */ (event).detail), {
      signal,
    });
    this.#look();
  }

  close() {
    this.stop.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#drawing);
  }

  /** The id of the text that stands beside; empty for none. */
  get chosen() {
    return this.select.value;
  }

  async #look() {
    const answer = await ask(this.address).catch(() => null);
    if (this.stop.signal.aborted) return;
    if (answer?.status === 404) return;
    if (answer?.ok) this.#show(await answer.json());
    else this.#timer = setTimeout(() => this.#look(), 2 * LOOK);
  }

  /** @param {State} state */
  #show({ texts, under_way: work }) {
    const before = this.select.value;
    const none = find(this.select, "option", HTMLOptionElement);
    const options = texts.map(({ id, label, address }) =>
      element("option", { value: id, "data-address": address }, label),
    );
    this.select.replaceChildren(none, ...options);
    this.choice.hidden = texts.length === 0;
    const translation = texts.find(({ translates }) => translates);
    const isWorking = work !== null && work.status !== "failed";
    if (this.button) this.button.hidden = isWorking || translation !== undefined;
    if (this.cost) this.cost.hidden = this.button?.hidden !== false;
    this.work.hidden = !isWorking;
    this.#cancel = work?.cancel ?? "";
    if (isWorking) {
      find(this.work, "progress", HTMLProgressElement).value = work.percent;
      const percent = text("progress_percent", { percent: work.percent });
      find(this.work, "[data-beside-percent]", HTMLElement).textContent =
        work.status === "queued" ? text("status_queued") : percent;
      this.#timer = setTimeout(() => this.#look(), LOOK);
    }
    this.says.textContent = work?.error ?? "";
    const isThere = texts.some(({ id }) => id === this.#awaited);
    const wanted = isThere ? this.#awaited : before || this.#usual(texts);
    if (isThere) {
      this.#awaited = "";
      this.says.textContent = text("beside_ready");
    }
    this.select.value = texts.some(({ id }) => id === wanted) ? wanted : "";
    if (this.select.value !== before || before === "") this.#choose(false);
  }

  /** @param {Text[]} texts */
  #usual(texts) {
    try {
      return localStorage.getItem(KEPT) === "on" ? (texts.find(({ translates }) => translates)?.id ?? "") : "";
    } catch {
      return "";
    }
  }

  async #translate() {
    const answer = await ask(this.address, { method: "POST" }).catch(() => null);
    if (answer?.ok) {
      keep(true);
      /** @type {State} */
      const state = await answer.json();
      this.#awaited = state.asked ?? "";
      return this.#show(state);
    }
    toast(answer ? await messageOf(answer) : text("edit_failed"), { error: true });
  }

  async #stopWork() {
    this.#awaited = "";
    clearTimeout(this.#timer);
    await ask(this.#cancel, { method: "POST", redirect: "manual" }).catch(() => null);
    await this.#look();
  }

  /** @param {boolean} byHand */
  async #choose(byHand) {
    this.#chosen += 1;
    const mine = this.#chosen;
    const address = this.select.selectedOptions[0]?.dataset.address;
    if (byHand) keep(address !== undefined);
    this.#tellDownloads();
    if (!address) {
      this.#said = [];
      return this.#draw();
    }
    this.#outdated = false;
    const answer = await ask(address).catch(() => null);
    if (mine !== this.#chosen || this.stop.signal.aborted) return;
    if (!answer?.ok) return void toast(text("beside_failed"), { error: true });
    /** @type {{language: string, lines: Said[]}} */
    const found = await answer.json();
    this.#said = found.lines;
    this.#language = found.language;
    this.#draw();
  }

  #tellDownloads() {
    const menu = document.querySelector("[data-beside-downloads]");
    if (!(menu instanceof HTMLElement)) return;
    menu.hidden = this.chosen === "";
    for (const link of menu.querySelectorAll("a")) link.search = `?beside=${this.chosen}`;
    document.dispatchEvent(new Event("beside"));
  }

  /**
   * What is struck is struck out of the other text, too, which is read anew then.
   * @param {Event} event
   */
  #drawSoon(event) {
    /** @type {Change | undefined} */
    const change = event instanceof CustomEvent ? event.detail : undefined;
    if (change?.strikes || change?.whole) this.#outdated = true;
    clearTimeout(this.#drawing);
    const run = () => (this.#outdated && this.chosen !== "" ? this.#choose(false) : this.#draw());
    this.#drawing = setTimeout(run, SETTLE);
  }

  #draw() {
    const { root, segments } = this.transcript;
    root.classList.toggle("transcript--beside", this.#said.length > 0);
    const isWhole = segments.length >= this.transcript.total;
    const until = isWhole ? Infinity : Number(segments.at(-1)?.end ?? 0); // the other lines are still to come
    const texts = besideOf(
      segments,
      this.#said.filter(([start]) => start < until),
    );
    for (const [at, line] of segments.entries()) line.beside = texts[at]?.join(" ") ?? "";
    this.#put(this.transcript.drawn);
  }

  /** Puts what stands beside lines there. @param {Line[]} lines */
  #put(lines) {
    for (const { element: item, beside } of lines) {
      const shown = item?.querySelector(".segment__beside");
      if ((shown?.textContent ?? "") === beside) continue;
      shown?.remove();
      if (beside) item?.append(element("p", { class: "segment__beside", lang: this.#language }, beside));
    }
  }
}

/** @param {boolean} on whether a translation is wanted beside */
function keep(on) {
  try {
    localStorage.setItem(KEPT, on ? "on" : "off");
  } catch {
    /* not remembered */
  }
}

/**
 * Returns what stands beside each line: the segments that overlap it more than any other line with a text; at the
 * shorter one of two that they overlap as much.
 * @param {Line[]} all
 * @param {Said[]} said
 */
function besideOf(all, said) {
  /** @type {string[][]} */
  const texts = all.map(() => []);
  const lines = all
    .map(({ start, end, text }, place) => ({ place, start, end, text }))
    .filter(({ text }) => text.trim() !== "")
    .sort((a, b) => a.start - b.start || a.end - b.end);
  let next = 0; // the first line that begins no earlier than the segment
  /** @type {typeof lines[number] | undefined} */
  let lasting; // of those that begin before it, the one that ends last
  for (const [start, end, words] of [...said].sort((a, b) => a[0] - b[0])) {
    for (let line = lines[next]; line && line.start < start; line = lines[next]) {
      if (!lasting || line.end > lasting.end) lasting = line;
      next += 1;
    }
    const begun = lines.slice(next, next + MOST_LINES).filter((line, at) => at === 0 || line.start < end);
    const near = [lasting, lines[next - 1], ...begun].filter((line) => line !== undefined);
    /** @param {{start: number, end: number}} line */
    const shared = (line) => Math.min(line.end, end) - Math.max(line.start, start);
    near.sort((a, b) => shared(b) - shared(a) || a.end - a.start - (b.end - b.start));
    const [best] = near;
    if (best) texts[best.place]?.push(words);
  }
  return texts;
}
