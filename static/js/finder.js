// Find in the transcript: every hit is marked (CSS highlights: no markup changes), Enter goes to the next.
import { find } from "./query.js";
import { text } from "./strings.js";
import { rangeOf } from "./textrange.js";

/** @import { Transcript } from "./transcript.js" */

export class Finder {
  /** @type {Range[]} */
  #hits = [];
  #now = -1;

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
    for (const name of ["changed", "more"]) transcript.root.addEventListener(name, () => this.#again());
    this.#find(); // what was typed before this page's modules ran, or kept over a reload
  }

  clear() {
    this.input.value = "";
    this.#find();
  }

  /** The lines changed, or more of them came: the hit that is shown stays so. */
  #again() {
    if (!this.input.value.trim()) return;
    const now = this.#now;
    this.#find(false);
    this.#now = Math.min(Math.max(now, 0), this.#hits.length - 1);
    this.#tell();
  }

  /** @param {boolean} [show] */
  #find(show = true) {
    const wanted = this.input.value.trim().toLocaleLowerCase();
    this.#hits = wanted ? [...this.#ranges(wanted)] : [];
    this.#now = this.#hits.length ? 0 : -1;
    CSS.highlights?.set("found", new Highlight(...this.#hits));
    if (show) this.#show();
    else this.#tell();
  }

  /**
   * @param {string} wanted in lower case
   * @returns {Generator<Range>}
   */
  *#ranges(wanted) {
    for (const shown of this.transcript.texts) {
      const haystack = shown.textContent.toLocaleLowerCase();
      for (let at = haystack.indexOf(wanted); at >= 0; at = haystack.indexOf(wanted, at + wanted.length))
        yield rangeOf(shown, at, at + wanted.length);
    }
  }

  /** @param {1 | -1} step */
  #go(step) {
    if (!this.#hits.length) return;
    this.#now = (this.#now + step + this.#hits.length) % this.#hits.length;
    this.#show();
  }

  #show() {
    const hit = this.#hits[this.#now];
    CSS.highlights?.set("found-now", new Highlight(...(hit ? [hit] : [])));
    hit?.startContainer.parentElement?.closest("[data-start]")?.scrollIntoView({ block: "center" });
    this.#tell();
  }

  #tell() {
    const total = this.#hits.length;
    for (const button of this.buttons) button.disabled = total === 0;
    if (!this.input.value.trim()) this.count.textContent = "";
    else this.count.textContent = total ? text("found", { number: this.#now + 1, total }) : text("found_none");
  }
}
