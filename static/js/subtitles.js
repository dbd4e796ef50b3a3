// The subtitles of a recording as the files have them: over its picture or a dark frame, in step with the sound, with a
// list of them that says, as a subtitle editor does, what is too fast, too short, too long, too wide or overlaps.
import { element } from "./element.js";
import { clock } from "./format.js";
import { setIcon } from "./icon.js";
import { ask } from "./page.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";
import { Videos } from "./videos.js";

const KEPT = "portal.subtitles";
const SETTLE = 400; // milliseconds in which limits are typed
const ON_A_PAGE = 200;
const APART = 0.2; // seconds that picture and sound may be apart
const WIDEST = 5; // hundredths of the frame's width that a letter is high, at most
const FULL = 140; // of the same: so many of its columns fill a line, as in a video (transcription/exports/burnt.py)

/** @import { Player } from "./player.js" */
/** @import { Line } from "./lines.js" */
/** @import { Transcript } from "./transcript.js" */
/**
 * @typedef {[start: number, end: number, lines: string[], beside: string[], widths: number[], besides: number[],
 *   segment: number]} Cue as portal/web/subtitles.py has it
 */
/** @typedef {{speed: number, shortest: number, longest: number, gap: number, columns: number, lines: number}} Limits */

export class Subtitles {
  /** @type {Cue[]} */
  #cues = [];
  /** What is wrong with each cue, as keys of texts. @type {string[][]} */
  #problems = [];
  /** The places of the cues by their starts: lines that people say at once may be in another order. @type {number[]} */
  #inTime = [];
  /** When the last of the cues up to one of those ends. @type {number[]} */
  #until = [];
  #beside = ""; // the language of the text beside
  #reads = 0;
  /** The places of the cues that are listed. @type {number[]} */
  #listed = [];
  #page = 0;
  #at = -1;
  #shown = "";
  #frame = 0;
  #asked = "";
  #asking = 0;
  #timer = 0;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {Transcript} transcript
   * @param {Player | null} player
   */
  constructor(dialog, transcript, player) {
    this.dialog = dialog;
    this.transcript = transcript;
    this.player = player;
    this.form = find(dialog, "form", HTMLFormElement);
    this.cue = find(dialog, "[data-cue]", HTMLElement);
    this.list = find(dialog, "[data-cues]", HTMLElement);
    this.counts = find(dialog, "[data-cue-counts]", HTMLElement);
    this.time = find(dialog, "[data-cue-time]", HTMLElement);
    this.pageText = find(dialog, "[data-cue-page]", HTMLElement);
    this.only = find(dialog, "[data-cue-only]", HTMLButtonElement);
    this.playButton = find(dialog, "[data-cue-play]", HTMLButtonElement);
    /** @type {HTMLVideoElement | null} */
    this.video = dialog.querySelector("video");
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.videos = new Videos(find(dialog, "[data-videos]", HTMLElement), this.form);
    this.#restore();
    this.form.addEventListener("input", () => this.#changed(), { signal });
    this.list.addEventListener("click", (event) => this.#pick(event), { signal });
    this.dialog.addEventListener("close", () => this.#leave(), { signal });
    transcript.root.addEventListener("changed", () => this.#outdated(), { signal });
    /** @type {Record<string, () => void>} */
    const buttons = {
      play: () => this.player?.toggle(),
      next: () => this.next(),
      back: () => this.#turn(this.#page - 1),
      forward: () => this.#turn(this.#page + 1),
      only: () => {
        this.only.setAttribute("aria-pressed", String(this.only.getAttribute("aria-pressed") !== "true"));
        this.#list();
      },
    };
    for (const [name, run] of Object.entries(buttons))
      find(dialog, `[data-cue-${name}]`, HTMLElement).addEventListener("click", run, { signal });
    // Whatever opens the dialog: it is read when it is seen.
    this.watcher = new MutationObserver(() => dialog.open && this.#enter());
    this.watcher.observe(dialog, { attributeFilter: ["open"] });
  }

  close() {
    this.stop.abort();
    this.videos.close();
    this.watcher.disconnect();
    this.#leave();
  }

  /** Goes to the next cue that has a problem, after the one that was gone to last or is heard. */
  next() {
    const here = this.#at;
    const found = this.#problems.findIndex((problems, place) => place > here && problems.length > 0);
    const place = found >= 0 ? found : this.#problems.findIndex((problems) => problems.length > 0);
    if (place >= 0) this.#goTo(place);
  }

  #enter() {
    this.#asked = "";
    const beside = find(document, "[data-recording]", HTMLElement).querySelector("[data-beside-select]");
    const chosen = beside instanceof HTMLSelectElement ? beside.value : "";
    const choice = find(this.dialog, "[data-cue-beside]", HTMLElement);
    choice.hidden = chosen === "";
    const box = find(choice, "input", HTMLInputElement);
    box.value = chosen;
    box.disabled = chosen === "";
    this.#read();
    this.videos.look();
    cancelAnimationFrame(this.#frame);
    this.#follow();
  }

  #leave() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.video?.pause();
    this.videos.leave();
  }

  /** Somebody corrected the transcript. */
  #outdated() {
    this.#asked = "";
    if (!this.dialog.open) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#read(), SETTLE);
  }

  /** Loads the picture when it is wanted: who only looks at the list plays nothing. */
  #loadPicture() {
    if (!this.video || this.video.src) return;
    this.video.addEventListener("loadedmetadata", () => this.#showPicture(), { signal: this.stop.signal });
    this.video.src = data(this.video, "picture");
  }

  /** A file without a picture, or with one that this browser doesn't know, leaves the frame dark. */
  #showPicture() {
    if (!this.video?.videoWidth) return;
    this.video.hidden = false;
    this.#shown = "";
  }

  /** @returns {Limits} */
  get #limits() {
    /** @param {string} name */
    const limit = (name) => find(this.form, `[data-limit="${name}"]`, HTMLInputElement).valueAsNumber || 0;
    const fields = this.form.elements;
    /** @param {string} name */
    const field = (name) => Number(/** @type {HTMLInputElement} */ (fields.namedItem(name)).value);
    return {
      speed: limit("speed"),
      shortest: limit("shortest"),
      longest: limit("longest"),
      gap: limit("gap"),
      columns: field("max_line_length"),
      lines: field("max_lines"),
    };
  }

  #changed() {
    if (!this.form.checkValidity()) return;
    try {
      localStorage.setItem(KEPT, JSON.stringify(this.#limits));
    } catch {
      /* not remembered */
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#check();
      this.#read();
    }, SETTLE);
  }

  #restore() {
    try {
      /** @type {Partial<Limits>} */
      const kept = JSON.parse(localStorage.getItem(KEPT) ?? "{}");
      for (const [name, value] of Object.entries(kept)) {
        const field =
          { columns: "[name=max_line_length]", lines: "[name=max_lines]" }[name] ?? `[data-limit="${name}"]`;
        const input = this.form.querySelector(field);
        if (input instanceof HTMLInputElement && Number.isFinite(value)) input.value = String(value);
      }
      if (!this.form.checkValidity()) this.form.reset();
    } catch {
      this.form.reset();
    }
  }

  /** Asks for the cues of the layout that is chosen, unless they are there. */
  async #read() {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(this.form)) if (typeof value === "string") query.set(name, value);
    const address = `${data(this.dialog, "address")}?${query}`;
    if (address === this.#asked) return;
    this.#asked = address;
    this.#asking += 1;
    const mine = this.#asking;
    const answer = await ask(address).catch(() => null);
    if (mine !== this.#asking || this.stop.signal.aborted) return;
    if (!answer?.ok) {
      this.#asked = "";
      return void toast(text("cues_failed"), { error: true });
    }
    /** @type {{cues: Cue[], beside: string}} */
    const found = await answer.json();
    this.#cues = found.cues;
    this.#beside = found.beside;
    this.#reads += 1;
    const starts = found.cues.map(([start]) => start);
    this.#inTime = [...starts.keys()].sort((a, b) => (starts[a] ?? 0) - (starts[b] ?? 0) || a - b);
    let until = 0;
    this.#until = this.#inTime.map((place) => {
      until = Math.max(until, found.cues[place]?.[1] ?? 0);
      return until;
    });
    this.#at = -1;
    this.#draw([]);
    this.#check();
  }

  #check() {
    const limits = this.#limits;
    for (const [at, place] of this.#inTime.entries()) {
      const [cue, next] = [this.#cues[place], this.#cues[this.#inTime[at + 1] ?? -1]];
      this.#problems[place] = cue ? problemsOf(cue, next, limits) : [];
    }
    this.#problems.length = this.#cues.length;
    const problems = this.#problems.filter((found) => found.length > 0).length;
    const cues = this.#cues.length;
    this.counts.textContent = text(problems ? "cues_counts" : "cues_fine", { cues, problems });
    find(this.dialog, "[data-cue-next]", HTMLButtonElement).disabled = problems === 0;
    const size = Math.min(WIDEST, FULL / Math.max(1, limits.columns));
    this.cue.style.setProperty("font-size", `${size}cqw`);
    this.#list();
  }

  #list() {
    const only = this.only.getAttribute("aria-pressed") === "true";
    this.#listed = [...this.#cues.keys()].filter((place) => !only || (this.#problems[place]?.length ?? 0) > 0);
    this.#turn(this.#page);
  }

  /** @param {number} page from 0 */
  #turn(page) {
    const pages = Math.max(1, Math.ceil(this.#listed.length / ON_A_PAGE));
    this.#page = Math.max(0, Math.min(page, pages - 1));
    const first = this.#page * ON_A_PAGE;
    const places = this.#listed.slice(first, first + ON_A_PAGE);
    this.list.replaceChildren(...places.map((place) => this.#item(place)));
    find(this.dialog, "[data-cue-back]", HTMLButtonElement).disabled = this.#page === 0;
    find(this.dialog, "[data-cue-forward]", HTMLButtonElement).disabled = this.#page === pages - 1;
    const shown = { first: first + 1, last: first + places.length, total: this.#listed.length };
    this.pageText.textContent = text(places.length ? "cues_page" : "cues_none", shown);
    this.#mark();
  }

  /** @param {number} place */
  #item(place) {
    const [start, end, lines, beside, widths, besides] = /** @type {Cue} */ (this.#cues[place]);
    const problems = this.#problems[place] ?? [];
    const speed = Math.round(speedOf(widths, besides, end - start) * 10) / 10;
    const said = lines.map((line) => element("span", { class: "cues__line", lang: this.cue.lang }, line));
    const below = beside.map((line) =>
      element("span", { class: "cues__line cues__line--beside", lang: this.#beside }, line),
    );
    return element(
      "li",
      { "data-place": place, "data-problem": problems.length > 0 },
      element(
        "button",
        { type: "button", class: "cues__time" },
        `${place + 1} · ${clock(start)} · ${(end - start).toFixed(1)} s`,
      ),
      element("span", { class: "cues__text" }, ...said, ...below),
      element(
        "span",
        { class: "cues__marks" },
        element("span", {}, text("cue_speed", { n: speed })),
        ...problems.map((problem) => element("span", { class: "cues__mark" }, text(problem))),
        element("button", { type: "button", class: "cues__edit", "data-cue-edit": true }, text("cue_edit")),
      ),
    );
  }

  /** @param {MouseEvent} event */
  #pick(event) {
    const item = closest(event, "[data-place]");
    if (!item) return;
    const place = Number(item.dataset.place);
    if (closest(event, "[data-cue-edit]")) {
      const cue = this.#cues[place];
      this.dialog.close();
      return void (cue && this.#goToLine(cue));
    }
    this.#goTo(place);
  }

  /**
   * Goes to the line of a cue once it is there: it may have another number by now, or be loaded later.
   * @param {Cue} cue
   */
  async #goToLine([start, , , , , , segment]) {
    await this.transcript.loaded;
    const lines = this.transcript.segments;
    /** @param {Line | undefined} line */
    const says = (line) => line !== undefined && line.start <= start + 0.001 && start < line.end;
    const line = says(lines[segment]) ? lines[segment] : lines.find(says);
    this.transcript.focusOn(line?.index ?? segment);
  }

  /** @param {number} place */
  #goTo(place) {
    this.#at = place;
    const cue = this.#cues[place];
    if (!cue) return;
    const listed = this.#listed.indexOf(place);
    if (listed >= 0 && Math.floor(listed / ON_A_PAGE) !== this.#page) this.#turn(Math.floor(listed / ON_A_PAGE));
    this.#loadPicture();
    if (this.player) this.player.seek(cue[0]);
    this.#draw([cue]);
    this.#mark();
    this.list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  #mark() {
    for (const item of this.list.querySelectorAll("[aria-current]")) item.removeAttribute("aria-current");
    this.list.querySelector(`[data-place="${this.#at}"]`)?.setAttribute("aria-current", "true");
  }

  /** Shows the cues of the moment, and the picture of it, while the dialog is open. */
  #follow() {
    const audio = this.player?.audio;
    if (audio) {
      const seconds = audio.currentTime;
      const playing = !audio.paused;
      const state = `${seconds} ${playing} ${this.#reads}`;
      if (state !== this.#shown) {
        this.#shown = state;
        this.time.textContent = clock(seconds);
        setIcon(this.playButton, playing ? "pause" : "play");
        find(this.playButton, "span", HTMLElement).textContent = text(playing ? "player_pause" : "player_play");
        if (playing) this.#loadPicture();
        this.#keepPicture(seconds, playing, audio.playbackRate);
        const now = this.#cuesAt(seconds);
        this.#draw(now.map((place) => /** @type {Cue} */ (this.#cues[place])));
        const [place] = now;
        if (place !== undefined && place !== this.#at && playing) {
          this.#at = place;
          this.#mark();
          this.list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
        }
      }
    }
    this.#frame = requestAnimationFrame(() => this.#follow());
  }

  /**
   * The places of the cues that are on the screen at a moment: more than one where they overlap.
   * @param {number} seconds
   */
  #cuesAt(seconds) {
    let [low, high] = [0, this.#inTime.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#cues[this.#inTime[middle] ?? -1]?.[0] ?? Infinity) <= seconds + 0.001) low = middle + 1;
      else high = middle;
    }
    const found = [];
    for (let at = low - 1; seconds < (this.#until[at] ?? -Infinity); at -= 1) {
      const place = this.#inTime[at] ?? -1;
      if (seconds < (this.#cues[place]?.[1] ?? -Infinity)) found.unshift(place);
    }
    return found;
  }

  /** @param {Cue[]} cues */
  #draw(cues) {
    const lines = cues.flatMap(([, , said, beside]) => [
      ...said.map((line) => element("span", {}, line)),
      ...beside.map((line) => element("span", { class: "frame__beside", lang: this.#beside }, line)),
    ]);
    this.cue.replaceChildren(...lines);
  }

  /**
   * @param {number} seconds
   * @param {boolean} playing
   * @param {number} rate
   */
  #keepPicture(seconds, playing, rate) {
    const { video } = this;
    if (!video || video.hidden) return;
    video.playbackRate = rate;
    const apart = Math.abs(video.currentTime - seconds);
    if (!(playing && video.seeking) && apart > (playing ? APART : 0.02)) video.currentTime = seconds;
    if (playing && video.paused) video.play().catch(() => {});
    if (!playing && !video.paused) video.pause();
  }
}

/**
 * Columns a second of the text that is read more slowly.
 * @param {number[]} widths
 * @param {number[]} besides
 * @param {number} seconds
 */
function speedOf(widths, besides, seconds) {
  /** @param {number[]} lines */
  const sum = (lines) => lines.reduce((all, one) => all + one, 0);
  return Math.max(sum(widths), sum(besides)) / Math.max(seconds, 0.001);
}

/**
 * Returns what is wrong with a cue, as keys of texts.
 * @param {Cue} cue
 * @param {Cue | undefined} next
 * @param {Limits} limits
 */
function problemsOf([start, end, lines, beside, widths, besides], next, limits) {
  const seconds = end - start;
  const gap = next ? next[0] - end : Infinity;
  /** @type {Record<string, boolean>} */
  const found = {
    cue_overlap: gap < -0.0005,
    cue_too_fast: speedOf(widths, besides, seconds) > limits.speed + 0.0005,
    cue_too_short: seconds < limits.shortest - 0.0005,
    cue_too_long: seconds > limits.longest + 0.0005,
    cue_wide: Math.max(...widths, ...besides) > limits.columns,
    cue_lines: Math.max(lines.length, beside.length) > limits.lines,
    cue_gap: gap >= -0.0005 && gap < limits.gap - 0.0005,
  };
  return Object.keys(found).filter((name) => found[name]);
}
