// Find in the transcript: hits in lines that are drawn are marked (CSS highlights: no markup changes), Enter goes to the
// next. All lines are searched, piece by piece. The browser's own search sees those that are drawn only: in a long
// transcript Ctrl+F comes here first, and where it is pressed once more goes to the browser.
import { element } from "./element.js";
import { find } from "./query.js";
import { text } from "./strings.js";
import { rangeOf } from "./textrange.js";

const PIECE = 12; // milliseconds of searching, after which the browser may do something else

/** @import { Line } from "./lines.js" */
/** @import { Transcript } from "./transcript.js" */
/** @typedef {{line: Line, at: number}} Hit a line and the character of its text */

export class Finder {
  /** @type {Hit[]} */
  #hits = [];
  #now = -1;
  #wanted = "";
  /** Counts searches: one that was overtaken by another ends. */
  #search = 0;
  /** The place of the line from which on a hit is gone to first: the one that a person sees. */
  #from = 0;
  /** Lines that were searched. */
  #searched = 0;
  /** What stands in its place while it floats. @type {HTMLElement | null} */
  #place = null;
  /** @type {WeakMap<Line, string>} */
  #texts = new WeakMap();

  /**
   * @param {HTMLElement} root
   * @param {Transcript} transcript
   */
  constructor(root, transcript) {
    this.root = root;
    this.transcript = transcript;
    this.input = find(root, "input", HTMLInputElement);
    this.count = find(root, "[data-found]", HTMLElement);
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.input.addEventListener("input", () => this.#find());
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#go(event.shiftKey ? -1 : 1);
      else if (event.key === "Escape") this.#leave();
    });
    find(root, "[data-previous]", HTMLButtonElement).addEventListener("click", () => this.#go(-1));
    find(root, "[data-next]", HTMLButtonElement).addEventListener("click", () => this.#go(1));
    /** @type {NodeListOf<HTMLButtonElement>} */
    this.buttons = root.querySelectorAll("[data-previous], [data-next]");
    transcript.root.addEventListener("changed", () => this.#wanted && this.#find(false), { signal });
    transcript.root.addEventListener("more", () => this.#wanted && this.#find(this.#now < 0), { signal });
    transcript.root.addEventListener("drawn", () => this.#wanted && this.#mark(), { signal });
    if (transcript.isLong) this.#takeBrowsers(signal);
    this.#comeAlong(signal);
    this.#find(); // what was typed before this page's modules ran, or kept over a reload
  }

  close() {
    this.#search += 1;
    this.stop.abort();
  }

  clear() {
    this.input.value = "";
    this.#find();
    this.#dock();
  }

  /** Where it was called from, a person goes on at the hit. */
  #leave() {
    const line = this.#hits[this.#now]?.line;
    const isCalled = this.root.classList.contains("finder--called");
    this.clear();
    if (!isCalled) return;
    if (line && line.index !== null) this.transcript.focusOn(line.index);
    else this.input.blur();
  }

  /** Comes where a person is, from wherever they are in the text. */
  call() {
    this.#float();
    this.input.focus({ preventScroll: true });
    this.input.select();
  }

  /** While one searches with it, it stays in sight, and floats where its own place is not. @param {AbortSignal} signal */
  #comeAlong(signal) {
    this.#beReachable(signal);
    const stay = () => this.#wanted && this.root.contains(document.activeElement) && this.#float();
    document.addEventListener("scroll", stay, { signal, passive: true });
    this.root.addEventListener(
      "focusout",
      ({ relatedTarget }) => {
        if (!(relatedTarget instanceof Node && this.root.contains(relatedTarget)) && document.hasFocus()) this.#dock();
      },
      { signal },
    );
  }

  /** Floats unless it is seen in its place. */
  #float() {
    const box = (this.#place ?? this.root).getBoundingClientRect();
    const covered = Math.max(0, document.querySelector(".player")?.getBoundingClientRect().bottom ?? 0);
    const isSeen = box.top > covered - box.height / 2 && box.bottom <= innerHeight;
    if (isSeen) this.#dock();
    else if (!this.#place) {
      this.#place = element("div");
      this.#place.style.height = `${box.height}px`; // nothing moves under a pointer that presses
      this.root.before(this.#place);
      this.root.classList.add("finder--called");
    }
  }

  #dock() {
    this.#place?.remove();
    this.#place = null;
    this.root.classList.remove("finder--called");
  }

  /** Far from it in the text a button calls it. @param {AbortSignal} signal */
  #beReachable(signal) {
    /** @type {HTMLElement | null} */
    const button = document.querySelector("[data-call-finder]");
    if (!button) return;
    button.addEventListener("click", () => this.call(), { signal });
    const watcher = new IntersectionObserver(([entry]) => (button.hidden = entry?.isIntersecting !== false));
    watcher.observe(this.root);
    signal.addEventListener("abort", () => watcher.disconnect());
  }

  /** @param {AbortSignal} signal */
  #takeBrowsers(signal) {
    this.input.setAttribute("aria-keyshortcuts", "Control+F");
    this.input.placeholder = text("find_all_lines");
    this.input.title = text("find_all_lines_hint");
    document.addEventListener(
      "keydown",
      (event) => {
        if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== "f")
          return;
        if (document.activeElement === this.input || document.querySelector("dialog[open]")) return;
        event.preventDefault();
        this.call();
      },
      { signal },
    );
  }

  /** @param {boolean} [show] goes to the first hit; else to the one that was shown, as far as it is there */
  #find(show = true) {
    const kept = show ? -1 : this.#now;
    if (show) this.#from = this.transcript.inView?.place ?? 0;
    this.#wanted = this.input.value.trim().toLocaleLowerCase();
    this.#hits = [];
    this.#now = -1;
    this.#searched = 0;
    this.#search += 1;
    if (this.#wanted) this.#run(this.#search, show, kept);
    else {
      this.#mark();
      this.#tell();
    }
  }

  /**
   * Searches the lines that were not searched yet.
   * @param {number} search
   * @param {boolean} show
   * @param {number} [kept] the hit that was shown before
   */
  async #run(search, show, kept = -1) {
    const { lines } = this.transcript;
    let isShown = !show;
    while (this.#searched < lines.length) {
      this.#searchPiece();
      const isOver = this.#searched >= lines.length;
      const first = kept >= 0 ? kept : this.#firstFrom(this.#from);
      if (first < this.#hits.length || isOver)
        this.#now = Math.min(first % (this.#hits.length || 1), this.#hits.length - 1);
      if (!isShown && this.#now >= 0) {
        isShown = true;
        this.#show();
      } else this.#tell();
      if (!isOver) await new Promise((done) => setTimeout(done));
      if (search !== this.#search) return;
    }
    this.#mark();
    this.#tell();
  }

  #searchPiece() {
    const { lines } = this.transcript;
    const wanted = this.#wanted;
    const until = performance.now() + PIECE;
    do {
      const line = lines[this.#searched++];
      if (!line || line.hidden) continue;
      const haystack = this.#textOf(line);
      for (let at = haystack.indexOf(wanted); at >= 0; at = haystack.indexOf(wanted, at + wanted.length))
        this.#hits.push({ line, at });
    } while (this.#searched < lines.length && performance.now() < until);
  }

  /** @param {Line} line */
  #textOf(line) {
    const known = this.#texts.get(line);
    if (known !== undefined) return known;
    const said = line.text.toLocaleLowerCase();
    this.#texts.set(line, said);
    return said;
  }

  /** Marks the hits in lines that are drawn. */
  #mark() {
    const near = [];
    const drawn = this.#hits.length ? this.transcript.drawn : [];
    let at = this.#firstFrom(drawn[0]?.place ?? 0);
    for (const line of drawn) {
      while ((this.#hits[at]?.line.place ?? Infinity) < line.place) at += 1;
      for (; this.#hits[at]?.line === line; at += 1) near.push(...this.#rangesOf(/** @type {Hit} */ (this.#hits[at])));
    }
    const now = this.#hits[this.#now];
    CSS.highlights?.set("found", new Highlight(...near));
    CSS.highlights?.set("found-now", new Highlight(...(now ? this.#rangesOf(now) : [])));
  }

  /** @param {Hit} hit */
  #rangesOf({ line, at }) {
    const shown = line.element?.querySelector(".segment__text");
    return shown ? [rangeOf(shown, at, at + this.#wanted.length)] : [];
  }

  /** The first hit in a line, or behind it. @param {number} place */
  #firstFrom(place) {
    let low = 0;
    let high = this.#hits.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#hits[middle]?.line.place ?? Infinity) < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** @param {1 | -1} step */
  #go(step) {
    if (!this.#hits.length) return;
    this.#now = (this.#now + step + this.#hits.length) % this.#hits.length;
    this.#show();
  }

  #show() {
    const hit = this.#hits[this.#now];
    if (hit) this.transcript.reveal(hit.line);
    this.#mark();
    this.#tell();
  }

  #tell() {
    const total = this.#hits.length;
    for (const button of this.buttons) button.disabled = total === 0;
    if (!this.#wanted) this.count.textContent = "";
    else if (total) this.count.textContent = text("found", { number: Math.max(0, this.#now) + 1, total });
    else if (this.#searched >= this.transcript.lines.length && this.transcript.isComplete)
      this.count.textContent = text("found_none");
  }
}
