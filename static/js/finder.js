// Find in the transcript: hits that are near are marked (CSS highlights: no markup changes), Enter goes to the next.
// A transcript of ten hours has hundreds of thousands of them: it is searched piece by piece, and only what is near the
// window gets ranges.
import { find } from "./query.js";
import { text } from "./strings.js";
import { rangeOf } from "./textrange.js";

const PIECE = 12; // milliseconds of searching, after which the browser may do something else

/** @import { Transcript } from "./transcript.js" */
/** @typedef {{item: HTMLElement, at: number}} Hit an item and the character of its text */

export class Finder {
  /** @type {Hit[]} */
  #hits = [];
  #now = -1;
  #wanted = "";
  /** Counts searches: one that was overtaken by another ends. */
  #search = 0;
  /** Items that were searched. */
  #searched = 0;
  #running = false;
  /** @type {WeakMap<HTMLElement, string>} */
  #texts = new WeakMap();
  /** @type {Set<Element>} */
  #near = new Set();

  /**
   * @param {HTMLElement} root
   * @param {Transcript} transcript
   */
  constructor(root, transcript) {
    this.transcript = transcript;
    this.input = find(root, "input", HTMLInputElement);
    this.count = find(root, "[data-found]", HTMLElement);
    this.input.addEventListener("input", () => this.#find());
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#go(event.shiftKey ? -1 : 1);
      else if (event.key === "Escape") this.clear();
    });
    find(root, "[data-previous]", HTMLButtonElement).addEventListener("click", () => this.#go(-1));
    find(root, "[data-next]", HTMLButtonElement).addEventListener("click", () => this.#go(1));
    /** @type {NodeListOf<HTMLButtonElement>} */
    this.buttons = root.querySelectorAll("[data-previous], [data-next]");
    this.observer = new IntersectionObserver((entries) => this.#pass(entries), { rootMargin: "100%" });
    this.#watch();
    transcript.root.addEventListener("changed", () => {
      this.#watch();
      if (this.#wanted) this.#find(false);
    });
    transcript.root.addEventListener("more", () => {
      this.#watch();
      if (this.#wanted && !this.#running) this.#run(this.#search, false);
    });
    this.#find(); // what was typed before this page's modules ran, or kept over a reload
  }

  close() {
    this.#search += 1;
    this.observer.disconnect();
  }

  clear() {
    this.input.value = "";
    this.#find();
  }

  /** Watches which lists of the transcript are near. */
  #watch() {
    for (const part of this.#near) if (!part.isConnected) this.#near.delete(part);
    for (const part of this.transcript.root.children) this.observer.observe(part);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #pass(entries) {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) this.#near.add(target);
      else this.#near.delete(target);
    }
    this.#mark();
  }

  /** @param {boolean} [show] goes to the first hit; else to the one that was shown, as far as it is there */
  #find(show = true) {
    const kept = show ? -1 : this.#now;
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
   * Searches the items that were not searched yet.
   * @param {number} search
   * @param {boolean} show
   * @param {number} [kept] the hit that was shown before
   */
  async #run(search, show, kept = -1) {
    this.#running = true;
    let isShown = !show;
    while (this.#searched < this.transcript.items.length) {
      this.#searchPiece();
      if (this.#now < 0 && this.#hits.length) this.#now = 0;
      if (kept > 0) this.#now = Math.min(kept, this.#hits.length - 1);
      if (!isShown && this.#hits.length) {
        isShown = true;
        this.#show();
      } else this.#tell();
      if (this.#searched < this.transcript.items.length) await new Promise((done) => setTimeout(done));
      if (search !== this.#search) return;
    }
    this.#running = false;
    this.#mark();
    this.#tell();
  }

  #searchPiece() {
    const { items } = this.transcript;
    const wanted = this.#wanted;
    const until = performance.now() + PIECE;
    do {
      const item = items[this.#searched++];
      if (!item || item.hasAttribute("data-filtered")) continue;
      const haystack = this.#textOf(item);
      for (let at = haystack.indexOf(wanted); at >= 0; at = haystack.indexOf(wanted, at + wanted.length))
        this.#hits.push({ item, at });
    } while (this.#searched < items.length && performance.now() < until);
  }

  /** @param {HTMLElement} item */
  #textOf(item) {
    const known = this.#texts.get(item);
    if (known !== undefined) return known;
    const said = item.querySelector(".segment__text")?.textContent.toLocaleLowerCase() ?? "";
    this.#texts.set(item, said);
    return said;
  }

  /** Marks the hits of the parts that are near. */
  #mark() {
    const near = [];
    const shown = this.#near;
    const part = this.#hits.length ? [...shown].sort(inOrder) : [];
    for (const one of part)
      for (let at = this.#firstIn(one); this.#hits[at]?.item.parentElement === one; at++)
        near.push(rangeOfHit(/** @type {Hit} */ (this.#hits[at]), this.#wanted));
    const now = this.#hits[this.#now];
    CSS.highlights?.set("found", new Highlight(...near));
    CSS.highlights?.set("found-now", new Highlight(...(now ? [rangeOfHit(now, this.#wanted)] : [])));
  }

  /**
   * The first hit in a part, or behind it.
   * @param {Element} part
   */
  #firstIn(part) {
    let low = 0;
    let high = this.#hits.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#hits[middle]?.item.parentElement;
      if (other && other !== part && other.compareDocumentPosition(part) & Node.DOCUMENT_POSITION_FOLLOWING)
        low = middle + 1;
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
    this.#mark();
    this.#hits[this.#now]?.item.scrollIntoView({ block: "center" });
    this.#tell();
  }

  #tell() {
    const total = this.#hits.length;
    for (const button of this.buttons) button.disabled = total === 0;
    if (!this.#wanted) this.count.textContent = "";
    else if (total) this.count.textContent = text("found", { number: this.#now + 1, total });
    else if (this.#searched >= this.transcript.items.length) this.count.textContent = text("found_none");
  }
}

/**
 * @param {Hit} hit
 * @param {string} wanted
 */
function rangeOfHit({ item, at }, wanted) {
  return rangeOf(find(item, ".segment__text", HTMLElement), at, at + wanted.length);
}

/**
 * @param {Element} one
 * @param {Element} other
 */
function inOrder(one, other) {
  return one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1;
}
