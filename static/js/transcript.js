// The segments of a finished transcription: what is spoken now is marked and kept in view.
import { element } from "./element.js";
import { ask } from "./page.js";
import { closest, find } from "./query.js";
import { Words } from "./words.js";

const MASK = "█████"; // as transcription/strikes writes it
const PART = 1000; // segments that are asked for at once
const PART_LINES = 25; // of a list of their own
const AGAIN = 3000; // milliseconds
const FAR = 1.5; // windows away: jump instead of racing through the text
const SCROLL_KEYS = new Set(["PageUp", "PageDown", "Home", "End"]);

export class Transcript {
  #spoken = -1;
  #following = true;
  /** @type {Words | null} */
  #words = null;

  /**
   * @param {HTMLElement} root
   * @param {(seconds: number) => void} onSeek runs when a person picks a segment
   */
  constructor(root, onSeek) {
    this.root = root;
    this.onSeek = onSeek;
    /** @type {HTMLElement[]} */
    this.items = [];
    /** @type {number[]} */
    this.starts = [];
    /** @type {number[]} */
    this.ends = [];
    this.playing = false;
    this.seconds = 0; // that were marked last
    this.editing = false; // a click puts the caret into the text
    this.roving = 0;
    this.picked = -1; // the place that a person went to last
    this.#collect();
    /** @type {HTMLElement | null} */
    this.follower = document.querySelector("[data-follow]");
    this.follower?.addEventListener("click", () => this.follow());
    root.addEventListener("click", (event) => this.#click(event));
    root.addEventListener("keydown", (event) => this.#key(event));
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.loaded = this.#load();
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
    this.#words?.leave();
  }

  /** The texts of the segments that are shown; speech without text has none. */
  get texts() {
    /** @type {NodeListOf<HTMLElement>} */
    const texts = this.root.querySelectorAll("[data-start]:not([data-filtered]) .segment__text");
    return [...texts];
  }

  /** All of them as they go out: without what is struck. */
  get text() {
    return this.texts
      .map((shown) => {
        const speaker = shown.closest("[data-speaker]:not([data-speaker=''])")?.querySelector(".segment__speaker");
        return `${speaker ? `${speaker.textContent?.trim()}: ` : ""}${readable(shown)}`;
      })
      .join("\n");
  }

  /**
   * Marks the segment spoken at `seconds`, and in it the word.
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

  /** How many segments there are, with those that are still to come. */
  get total() {
    return Math.max(this.segments.length, Number(this.root.dataset.total ?? 0));
  }

  /**
   * Asks for the rest of a long transcript, part by part, and shows it below what is there.
   * @returns {Promise<void>} when all of it is there
   */
  async #load() {
    const { total } = this.root.dataset;
    let [there, wait] = [this.segments.length, 0];
    while (!this.stop.signal.aborted && total !== undefined && there < Number(this.root.dataset.total)) {
      await new Promise((done) => setTimeout(done, wait));
      wait = 0;
      try {
        const answer = await ask(`${this.root.dataset.lines}?from=${there}&limit=${PART}`);
        if (answer.status === 404) return;
        if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
        /** @type {{revision: number, total: number, lines: string}} */
        const part = await answer.json();
        if (String(part.revision) !== this.root.dataset.revision) {
          this.root.dispatchEvent(new Event("outdated"));
          return;
        }
        if (there !== this.segments.length) continue; // lines came or went meanwhile
        this.root.dataset.total = String(part.total);
        await this.#append(part.lines, String(part.revision));
      } catch {
        wait = AGAIN;
      }
      there = this.segments.length;
    }
  }

  /**
   * Shows more lines, a few at a time, so that the page answers meanwhile; ends where the transcript changes.
   * @param {string} lines
   * @param {string} revision
   */
  async #append(lines, revision) {
    const each = lines.replaceAll(/>\n {2,}</g, "><").split(/(?=<li class="segment )/); // a third of the nodes is space
    for (let at = 0; at < each.length; at += PART_LINES) {
      if (this.stop.signal.aborted || revision !== this.root.dataset.revision) break;
      const fresh = itemsOf(each.slice(at, at + PART_LINES).join(""));
      /** @type {NodeListOf<HTMLElement>} */
      const items = fresh.querySelectorAll("[data-start]");
      this.items.push(...items);
      this.starts.push(...[...items].map((item) => Number(item.dataset.start)));
      this.ends.push(...[...items].map((item) => Number(item.dataset.end)));
      this.root.append(...partsOf(fresh));
      await new Promise((done) => setTimeout(done));
    }
    this.root.dispatchEvent(new Event("more"));
  }

  /** The items of segments, which have an index. */
  get segments() {
    return this.items.filter((item) => item.dataset.index !== undefined);
  }

  /**
   * Puts the lines of a change into the place of those that it removed. The segments after them get new numbers, and
   * with them new tags.
   * @param {{revision: number, first: number, removed: number, added: number, lines: string | null}} change
   */
  replace({ revision, first, removed, added, lines }) {
    const segments = this.segments;
    const next = segments[first + removed]; // drawn anew, too: it may begin a turn now
    const last = next ?? segments[first + removed - 1];
    const fresh = itemsOf(lines ?? "");
    const end = last ? this.items.indexOf(last) + 1 : this.items.length;
    const begin = segments[first];
    const gone = begin ? this.items.slice(this.items.indexOf(begin), end) : [];
    this.root.dispatchEvent(new Event("changing"));
    const isInSight = gone.some((item) => item !== next && item.hasAttribute("data-check"));
    if (isInSight) for (const item of [...fresh.children].slice(0, added)) item.setAttribute("data-check", "");
    if (gone[0]) gone[0].before(fresh);
    else find(this.root, ".transcript__part:last-child", HTMLElement).append(fresh);
    for (const item of gone) item.remove();
    if (this.root.dataset.total) this.root.dataset.total = String(Number(this.root.dataset.total) + added - removed);
    if (added !== removed)
      segments.slice(first + removed + (next ? 1 : 0)).forEach((item, at) => {
        const index = first + added + (next ? 1 : 0) + at;
        item.dataset.index = String(index);
        item.dataset.etag = `${index}.${revision}`;
      });
    this.#collect();
  }

  /** @param {string} lines all of them */
  renew(lines) {
    this.root.dispatchEvent(new Event("changing"));
    this.root.replaceChildren(...partsOf(itemsOf(lines)));
    this.#collect();
    if (this.root.dataset.total) this.root.dataset.total = String(this.segments.length);
  }

  /** The segment that has the focus, that a person went to last, or that is spoken. */
  get here() {
    const item = this.focused ?? this.items[this.picked] ?? this.items[this.#spoken];
    return item?.dataset.index === undefined ? undefined : item;
  }

  /** The segment whose time, or another button, has the focus. */
  get focused() {
    const item = document.activeElement?.closest("[data-index]");
    return item instanceof HTMLElement && this.root.contains(item) ? item : null;
  }

  /** Puts the focus on the time of a segment. @param {number} index */
  focusOn(index) {
    const item = this.segments[Math.min(index, this.segments.length - 1)];
    if (!item) return;
    this.#rove(this.items.indexOf(item));
    find(item, "button", HTMLButtonElement).focus({ preventScroll: true });
    this.#show(item);
  }

  #collect() {
    /** @type {NodeListOf<HTMLElement>} */
    const items = this.root.querySelectorAll("[data-start]");
    this.items = [...items];
    this.starts = this.items.map((item) => Number(item.dataset.start));
    this.ends = this.items.map((item) => Number(item.dataset.end));
    this.#words?.leave();
    this.#words = null;
    this.#spoken = -1;
    this.#stop(Math.max(0, Math.min(this.roving, this.items.length - 1)));
    this.at(this.seconds, this.playing);
  }

  /** @param {number} place */
  #move(place) {
    const before = this.items[this.#spoken];
    before?.classList.remove("is-spoken");
    before?.removeAttribute("aria-current");
    this.#spoken = place;
    this.#words?.leave();
    const item = this.items[place];
    this.#words = item?.dataset.words ? new Words(item) : null;
    if (!item) return;
    item.classList.add("is-spoken");
    item.setAttribute("aria-current", "true");
    if (this.#following && this.playing) this.#show(item);
  }

  follow() {
    this.#keep();
    const item = this.items[this.#spoken];
    if (item) this.#show(item);
  }

  /**
   * Goes to an item, as somebody who clicks on it does, and puts the focus on its time.
   * @param {HTMLElement} item
   */
  pick(item) {
    this.#rove(this.items.indexOf(item));
    this.#keep();
    find(item, "button", HTMLButtonElement).focus({ preventScroll: true });
    this.#show(item);
    this.onSeek(Number(item.dataset.start));
  }

  /** Moves the list's tab stop to an item that is shown, after some were hidden. */
  restop() {
    const shown = this.items.find((item) => isShown(item));
    const stop = this.items[this.roving];
    if (shown && !(stop && isShown(stop))) this.#stop(this.items.indexOf(shown));
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

  /** @param {HTMLElement} item */
  #show(item) {
    const far = Math.abs(item.getBoundingClientRect().top - innerHeight / 2) > FAR * innerHeight;
    const smooth = !far && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    item.scrollIntoView({ block: far ? "center" : "nearest", behavior: smooth ? "smooth" : "auto" });
  }

  /**
   * The last segment that has begun, unless it ended more than a second ago.
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
    return seconds <= (this.ends[place] ?? -Infinity) + 1 ? place : -1;
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const item = closest(event, "[data-start]");
    if (!item || getSelection()?.isCollapsed === false || closest(event, "[data-edit], [data-whose], .segment__editor"))
      return;
    const place = this.items.indexOf(item);
    this.#rove(place);
    this.#keep();
    if (this.editing && closest(event, ".segment__text")) return;
    this.onSeek(this.startUnder(item, event));
  }

  /**
   * Seconds at which the word under the pointer begins; beside words, the line.
   * @param {HTMLElement} item
   * @param {MouseEvent} event
   */
  startUnder(item, event) {
    const word = item.dataset.words ? new Words(item).startUnder(event) : undefined;
    return word ?? Number(item.dataset.start);
  }

  /**
   * One tab stop for the whole list; the arrows walk it.
   * @param {KeyboardEvent} event
   */
  #key(event) {
    const button = closest(event, "button.segment__time");
    if (!button) return;
    const items = this.items.filter(isShown);
    const here = items.findIndex((item) => item.contains(button));
    /** @type {Record<string, number>} */
    const places = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: items.length - 1 };
    const item = items[places[event.key] ?? -1];
    if (!item) return;
    event.preventDefault();
    this.#rove(this.items.indexOf(item));
    find(item, "button", HTMLButtonElement).focus();
  }

  /** @param {number} place */
  #rove(place) {
    this.picked = place;
    this.#stop(place);
  }

  /** @param {number} place */
  #stop(place) {
    this.items[this.roving]?.querySelector("button")?.setAttribute("tabindex", "-1");
    this.items[place]?.querySelector("button")?.setAttribute("tabindex", "0");
    this.roving = place;
  }
}

/**
 * Returns a line's text without what is struck.
 * @param {HTMLElement} shown
 */
function readable(shown) {
  const copy = /** @type {HTMLElement} */ (shown.cloneNode(true));
  for (const struck of copy.querySelectorAll(".struck")) struck.textContent = MASK;
  return copy.textContent.trim().replaceAll(new RegExp(`${MASK}(\\s*${MASK})+`, "g"), MASK);
}

/** @param {string} lines */
function itemsOf(lines) {
  const page = new DOMParser().parseFromString(lines, "text/html");
  const fragment = document.createDocumentFragment();
  fragment.append(...page.body.children);
  return fragment;
}

/**
 * Returns lists of items, of which the browser draws those that are near.
 * @param {DocumentFragment} items
 */
function partsOf(items) {
  const lines = [...items.children];
  const parts = [];
  for (let at = 0; at === 0 || at < lines.length; at += PART_LINES)
    parts.push(element("ol", { class: "transcript__part" }, ...lines.slice(at, at + PART_LINES)));
  return parts;
}

/** @param {HTMLElement} item */
function isShown(item) {
  return item.getClientRects().length > 0;
}
