// The lines of a finished transcription: what is spoken now is marked and kept in view. Whoever works on lines takes them
// from here as data (lines.js): all are there, while elements of a long transcript are only near the window. `element`
// and `whole` draw one; "drawn" tells of those that were drawn anew.
import { copy } from "./chosen.js";
import { element } from "./element.js";
import { isIn, itemsOf, Line } from "./lines.js";
import { LineWindow } from "./linewindow.js";
import { named } from "./moment.js";
import { ask } from "./page.js";
import { closest, data, find } from "./query.js";
import { Words } from "./words.js";

const PART_LINES = 25; // of a list of their own
const AGAIN = 3000; // milliseconds
const FAR = 1.5; // windows away: jump instead of racing through the text
const SCROLL_KEYS = new Set(["PageUp", "PageDown", "Home", "End"]);

/** @import { Outline } from "./lines.js" */
/** @typedef {{revision: number, lines?: string, voices?: string} & Partial<Outline>} Whole lines as elements, or as an outline */

export class Transcript {
  #spoken = -1;
  #following = true;
  /** @type {Words | null} */
  #words = null;
  /** @type {Map<string, (line: Line) => boolean>} */
  #filters = new Map();
  /** @type {Line[]} */
  #segments = [];
  /** @type {WeakMap<Element, Line>} */
  #byElement = new WeakMap();
  /** Of a long transcript. @type {LineWindow | null} */
  #window = null;
  #onLoaded = () => {};

  /**
   * @param {HTMLElement} root
   * @param {(seconds: number) => void} onSeek runs when a person picks a line
   * @param {(seconds: number) => void} [onArrive] runs where the page's address names a moment
   */
  constructor(root, onSeek, onArrive = () => {}) {
    this.root = root;
    this.onSeek = onSeek;
    this.onArrive = onArrive;
    /** @type {Line[]} */
    this.lines = [];
    /** @type {number[]} */
    this.starts = [];
    this.playing = false;
    this.seconds = 0; // that were marked last
    this.editing = false; // a click puts the caret into the text
    this.roving = 0;
    this.picked = -1; // the place that a person went to last
    this.isLong = root.dataset.total !== undefined;
    this.stop = new AbortController();
    const { signal } = this.stop;
    /** @type {NodeListOf<HTMLElement>} */
    const items = root.querySelectorAll("[data-start]");
    this.#set([...items].map((item) => this.#read(item)));
    this.#settle();
    /** @type {HTMLElement | null} */
    this.follower = document.querySelector("[data-follow]");
    this.follower?.addEventListener("click", () => this.follow());
    root.addEventListener("click", (event) => this.#click(event));
    root.addEventListener("keydown", (event) => this.#key(event));
    /** When all lines are there. @type {Promise<void>} */
    this.loaded = new Promise((done) => (this.#onLoaded = done));
    if (this.isLong) this.#load();
    else this.#onLoaded();
    this.loaded.then(() => this.#arrive());
    addEventListener("hashchange", () => this.#arrive(), { signal });
    document.addEventListener("copy", (event) => copy(event, this), { signal });
    for (const name of ["wheel", "touchmove"])
      document.addEventListener(name, () => this.#letGo(), { passive: true, signal });
    document.addEventListener(
      "keydown",
      (event) => {
        if (SCROLL_KEYS.has(event.key) && !closest(event, "[role=slider]")) this.#letGo();
      },
      { signal },
    );
  }

  close() {
    this.stop.abort();
    this.#window?.close();
    this.#words?.leave();
  }

  /** The lines of segments, by their indexes. */
  get segments() {
    return this.#segments;
  }

  /** The lines that are elements now, in order. */
  get drawn() {
    return this.#window ? this.#window.lines : this.lines;
  }

  /** The first line that a person sees. */
  get inView() {
    return this.drawn.find(({ element: item }) => item && item.getBoundingClientRect().top >= 0 && isShown(item));
  }

  /** Whether no lines are still to come. */
  get isComplete() {
    return !this.isLong || this.#window !== null;
  }

  /** Whether there are lines without elements. */
  get isPartial() {
    return this.#window?.isPartial ?? this.isLong;
  }

  /** All of them as they go out: without what is struck. */
  get text() {
    return this.textOf(this.segments.filter((line) => !line.hidden));
  }

  /** @param {Line[]} lines */
  textOf(lines) {
    return lines.map((line) => `${line.voice ? `${line.voice.label}: ` : ""}${line.readable}`).join("\n");
  }

  /** How many segments there are, with those that are still to come. */
  get total() {
    return Math.max(this.segments.length, Number(this.root.dataset.total ?? 0));
  }

  /** Whether the same one speaks as before. @param {Line} line */
  goesOn({ index, speaker }) {
    return Boolean(index) && speaker !== undefined && this.segments[Number(index) - 1]?.speaker === speaker;
  }

  /** The lines, that have a text and are not left out, of which a range has something. @param {Range} range */
  linesIn(range) {
    const lines = this.#window ? this.#window.linesIn(range) : this.lines.filter((line) => isIn(line, range));
    return lines.filter((line) => line.index !== null && !line.hidden);
  }

  /** The line of what is in it. @param {Node | null | undefined} node */
  lineOf(node) {
    const item = (node instanceof Element ? node : node?.parentElement)?.closest("[data-start]");
    return item ? this.#byElement.get(item) : undefined;
  }

  /** Returns what shows a line; null where a filter leaves it out. @param {Line} line */
  element(line) {
    return this.#window ? this.#window.element(line) : line.element;
  }

  /**
   * Returns what shows a line with all that the server says of it; null where it doesn't answer.
   * @param {Line} line
   */
  async whole(line) {
    return this.#window ? this.#window.whole(line) : line.element;
  }

  /**
   * Brings a line into view.
   * @param {Line} line
   * @param {ScrollLogicalPosition} [block]
   */
  reveal(line, block = "center") {
    this.element(line)?.scrollIntoView({ block });
  }

  /**
   * Marks the line spoken at `seconds`, and in it the word.
   * @param {number} seconds
   * @param {boolean} playing
   */
  at(seconds, playing) {
    this.playing = playing;
    this.seconds = seconds;
    const place = this.#placeOf(seconds);
    if (place !== this.#spoken) this.#move(place);
    this.#words?.at(seconds);
  }

  /** Lines were drawn: they get what they have as elements. @param {Line[]} lines */
  drew(lines) {
    for (const line of lines) {
      const item = line.element;
      if (!item) continue;
      this.#byElement.set(item, line);
      if (line.index !== null) item.dataset.index = String(line.index);
      if (line.moved && item.dataset.etag) item.dataset.etag = `${line.index}.${line.moved}`;
      if (line.place === this.roving) item.querySelector("button")?.setAttribute("tabindex", "0");
      if (line.place === this.#spoken) this.#mark(line);
    }
    this.root.dispatchEvent(new CustomEvent("drawn", { detail: lines }));
  }

  /** @param {HTMLElement} item */
  #read(item) {
    const line = Line.ofElement(item);
    this.#byElement.set(item, line);
    return line;
  }

  /** Asks for all lines as they are now. @returns {Promise<Whole>} */
  async ask() {
    const answer = await ask(`${data(this.root, "lines")}${this.isLong ? "?outline" : ""}`);
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    return answer.json();
  }

  /** Asks for the outline of a long transcript, of which the page has the first lines. */
  async #load() {
    const { root, lines } = this;
    const height = lines.reduce((sum, { element }) => sum + (element?.offsetHeight ?? 0), 0);
    root.style.minBlockSize = `${Math.round((height * this.total) / Math.max(1, lines.length))}px`;
    for (let wait = 0; !this.stop.signal.aborted && !this.#window; wait = AGAIN) {
      await new Promise((done) => setTimeout(done, wait));
      try {
        const whole = await this.ask();
        if (this.stop.signal.aborted || this.#window) return;
        if (String(whole.revision) !== root.dataset.revision) {
          const isTaken = !root.dispatchEvent(new Event("outdated", { cancelable: true }));
          return isTaken ? undefined : this.renew(whole);
        }
        const first = this.segments;
        const fresh = linesOf(whole);
        for (const line of fresh) {
          const known = line.index === null ? undefined : first[line.index];
          if (known?.element) [line.element, line.isWhole, line.html] = [known.element, true, known.element.outerHTML];
        }
        this.#show(fresh);
      } catch {
        /* asked again soon */
      }
    }
  }

  /** @param {Line[]} lines of a long transcript */
  #show(lines) {
    const { length } = lines.filter((line) => line.index !== null);
    this.root.dataset.total = String(length);
    this.#window ??= new LineWindow(this);
    for (const line of lines) line.hidden = this.#isHidden(line);
    this.#set(lines);
    this.#lay();
    this.#settle();
    this.#onLoaded();
    this.root.dispatchEvent(new Event("more"));
  }

  /**
   * Puts the lines of a change into the place of those that it removed. The segments after them get new numbers, and
   * with them new tags.
   * @param {{revision: number, first: number, removed: number, added: number, lines: string | null}} change
   */
  replace({ revision, first, removed, added, lines }) {
    const { segments } = this;
    const next = segments[first + removed]; // drawn anew, too: it may begin a turn now
    const last = next ?? segments[first + removed - 1];
    const begin = segments[first];
    const from = begin ? begin.place : this.lines.length;
    const gone = begin && last ? this.lines.slice(from, last.place + 1) : [];
    const fresh = itemsOf(lines ?? "").map((item) => this.#read(item));
    this.root.dispatchEvent(new Event("changing"));
    const isKept = gone.some((line) => line !== next && line.kept);
    for (const line of fresh.slice(0, added)) line.kept = isKept;
    for (const line of fresh) {
      line.html = this.#window && line.element ? line.element.outerHTML : "";
      line.hidden = this.#isHidden(line);
    }
    const before = this.lines[from - 1];
    if (this.root.dataset.total) this.root.dataset.total = String(Number(this.root.dataset.total) + added - removed);
    if (added !== removed)
      segments.slice(first + removed + (next ? 1 : 0)).forEach((line, at) => {
        line.index = first + added + (next ? 1 : 0) + at;
        line.moved = revision;
        if (!line.element) return;
        line.element.dataset.index = String(line.index);
        line.element.dataset.etag = `${line.index}.${revision}`;
      });
    this.#set(this.lines.toSpliced(from, gone.length, ...fresh));
    this.#exchange(gone, fresh, before);
    this.#settle();
  }

  /**
   * @param {Line[]} gone
   * @param {Line[]} fresh
   * @param {Line | undefined} before
   */
  #exchange(gone, fresh, before) {
    if (this.#window)
      return this.#window.replace(
        gone,
        fresh.filter((line) => !line.hidden),
        before,
      );
    const items = fresh.flatMap((line) => line.element ?? []);
    for (const line of fresh) line.element?.toggleAttribute("data-filtered", line.hidden);
    if (gone[0]?.element) gone[0].element.before(...items);
    else find(this.root, ".transcript__part:last-child", HTMLElement).append(...items);
    for (const line of gone) line.element?.remove();
  }

  /** Shows all lines anew. @param {Whole} whole */
  renew(whole) {
    this.root.dispatchEvent(new Event("changing"));
    this.root.dataset.revision = String(whole.revision);
    if (whole.rows) return this.#show(linesOf(whole));
    const items = itemsOf(whole.lines ?? "");
    this.root.replaceChildren(...partsOf(items));
    this.#set(items.map((item) => this.#read(item)));
    this.#settle();
    this.refilter();
  }

  /** The line that has the focus, that a person went to last, or that is spoken; undefined for one without text. */
  get here() {
    const line = this.focused ?? this.lines[this.picked] ?? this.lines[this.#spoken];
    return line?.index === null ? undefined : line;
  }

  /** The line whose time, or another button, has the focus. */
  get focused() {
    const line = this.lineOf(document.activeElement);
    return line && line.index !== null ? line : null;
  }

  /** Puts the focus on the time of a line. @param {number} index of its segment */
  focusOn(index) {
    const line = this.segments[Math.min(index, this.segments.length - 1)];
    if (line) this.#goTo(line);
  }

  /**
   * Leaves lines out, or with null none of them.
   * @param {string} name
   * @param {((line: Line) => boolean) | null} hides
   */
  filter(name, hides) {
    if (hides) this.#filters.set(name, hides);
    else if (!this.#filters.delete(name)) return;
    this.refilter();
  }

  refilter() {
    for (const line of this.lines) line.hidden = this.#isHidden(line);
    if (this.#window) this.#lay();
    else for (const { element: item, hidden } of this.lines) item?.toggleAttribute("data-filtered", hidden);
    const stop = this.lines[this.roving];
    const shown = this.lines.find((line) => !line.hidden);
    if (shown && (!stop || stop.hidden)) this.#stop(shown.place);
  }

  /** @param {Line} line */
  #isHidden(line) {
    return [...this.#filters.values()].some((hides) => hides(line));
  }

  #lay() {
    this.#window?.lay(this.lines.filter((line) => !line.hidden));
    this.#stop(this.roving);
  }

  /** @param {Line[]} lines */
  #set(lines) {
    this.lines = lines;
    this.starts = lines.map((line) => line.start);
    this.#segments = lines.filter((line) => line.index !== null);
    for (const [place, line] of lines.entries()) line.place = place;
  }

  /** What is marked is marked anew, after lines came or went. */
  #settle() {
    const { lines } = this;
    this.#window?.count();
    this.#words?.leave();
    this.#words = null;
    this.#spoken = -1;
    this.#stop(Math.max(0, Math.min(this.roving, lines.length - 1)));
    this.at(this.seconds, this.playing);
  }

  /** @param {number} place */
  #move(place) {
    const before = this.lines[this.#spoken]?.element;
    before?.classList.remove("is-spoken");
    before?.removeAttribute("aria-current");
    this.#spoken = place;
    this.#words?.leave();
    this.#words = null;
    const line = this.lines[place];
    if (!line) return;
    this.#mark(line);
    if (this.#following && this.playing) this.#bring(line);
  }

  /** Marks a line as spoken. @param {Line} line */
  #mark({ element: item }) {
    if (!item) return;
    item.classList.add("is-spoken");
    item.setAttribute("aria-current", "true");
    this.#words = item.dataset.words ? new Words(item) : null;
  }

  follow() {
    this.#keep();
    const line = this.lines[this.#spoken];
    if (line) this.#bring(line);
  }

  /**
   * Goes to a line, as somebody who clicks on it does, and puts the focus on its time.
   * @param {Line} line
   */
  pick(line) {
    this.#keep();
    this.#goTo(line);
    this.onSeek(line.start);
  }

  /** @param {Line} line */
  #goTo(line) {
    this.#rove(line.place);
    const item = this.element(line);
    if (!item) return;
    find(item, "button", HTMLButtonElement).focus({ preventScroll: true });
    this.#bring(line);
  }

  /** Goes to the moment that the page's address names. */
  #arrive() {
    const seconds = named();
    if (seconds === null) return;
    const line =
      this.lines[
        Math.max(
          0,
          this.starts.findLastIndex((start) => start <= seconds + 0.01),
        )
      ];
    if (!line) return;
    this.#goTo(line);
    this.onArrive(seconds);
  }

  #keep() {
    this.#following = true;
    if (this.follower) this.follower.hidden = true;
  }

  #letGo() {
    if (!this.playing) return;
    this.#following = false;
    if (this.follower) this.follower.hidden = false;
  }

  /** @param {Line} line */
  #bring(line) {
    const item = this.element(line);
    if (!item) return;
    const far = Math.abs(item.getBoundingClientRect().top - innerHeight / 2) > FAR * innerHeight;
    const smooth = !far && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    item.scrollIntoView({ block: far ? "center" : "nearest", behavior: smooth ? "smooth" : "auto" });
  }

  /**
   * The last line that has begun, unless it ended more than a second ago.
   * @param {number} seconds
   */
  #placeOf(seconds) {
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.starts[middle] ?? Infinity) <= seconds + 0.01) low = middle + 1;
      else high = middle;
    }
    const place = low - 1;
    return seconds <= (this.lines[place]?.end ?? -Infinity) + 1 ? place : -1;
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const line = event.target instanceof Node ? this.lineOf(event.target) : undefined;
    if (!line || getSelection()?.isCollapsed === false || closest(event, "[data-edit], [data-whose], .segment__editor"))
      return;
    this.#rove(line.place);
    this.#keep();
    if (this.editing && closest(event, ".segment__text")) return;
    this.onSeek(this.startUnder(line, event));
  }

  /**
   * Seconds at which the word under the pointer begins; beside words, the line.
   * @param {Line} line
   * @param {MouseEvent} event
   */
  startUnder({ element: item, start }, event) {
    const word = item?.dataset.words ? new Words(item).startUnder(event) : undefined;
    return word ?? start;
  }

  /**
   * One tab stop for the whole list; the arrows walk it.
   * @param {KeyboardEvent} event
   */
  #key(event) {
    const line = closest(event, "button.segment__time") && this.lineOf(/** @type {Node} */ (event.target));
    if (!line) return;
    const { lines } = this;
    /** @type {Record<string, () => Line | undefined>} */
    const ways = {
      ArrowDown: () => lines.find((one, place) => place > line.place && !one.hidden),
      ArrowUp: () => lines.findLast((one, place) => place < line.place && !one.hidden),
      Home: () => lines.find((one) => !one.hidden),
      End: () => lines.findLast((one) => !one.hidden),
    };
    const to = ways[event.key]?.();
    const item = to && this.element(to);
    if (!item) return;
    event.preventDefault();
    this.#rove(to.place);
    find(item, "button", HTMLButtonElement).focus();
  }

  /** @param {number} place */
  #rove(place) {
    this.picked = place;
    this.#stop(place);
  }

  /** @param {number} place */
  #stop(place) {
    this.lines[this.roving]?.element?.querySelector("button")?.setAttribute("tabindex", "-1");
    this.roving = place;
    const line = this.lines[place];
    if (line) this.element(line)?.querySelector("button")?.setAttribute("tabindex", "0");
  }
}

/** @param {HTMLElement} item */
function isShown(item) {
  return item.getClientRects().length > 0;
}

/** @param {Whole} whole */
function linesOf(whole) {
  const { rows = [], voiced = false, speakers = {}, revision, total = 0 } = whole;
  const outline = { rows, voiced, speakers, revision, total };
  let index = 0;
  return rows.map((row) => Line.ofRow(row, row[2] === null ? -1 : index++, outline));
}

/**
 * Returns lists of items, of which the browser draws those that are near.
 * @param {HTMLElement[]} items
 */
function partsOf(items) {
  const parts = [];
  for (let at = 0; at === 0 || at < items.length; at += PART_LINES)
    parts.push(element("ol", { class: "transcript__part" }, ...items.slice(at, at + PART_LINES)));
  return parts;
}
