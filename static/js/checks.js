// What to listen to again: segments with doubts, and speech without text.
import { find } from "./query.js";
import { text } from "./strings.js";

/** @import { Transcript } from "./transcript.js" */

export class Checks {
  /**
   * @param {HTMLElement} root
   * @param {Transcript} transcript
   */
  constructor(root, transcript) {
    this.transcript = transcript;
    this.count = find(root, "[data-check-count]", HTMLElement);
    this.next = find(root, "[data-check-next]", HTMLButtonElement);
    this.only = find(root, "[data-check-only]", HTMLButtonElement);
    this.next.addEventListener("click", () => this.go(1));
    this.only.addEventListener("click", () => this.#filter(this.only.getAttribute("aria-pressed") !== "true"));
    for (const name of ["changed", "more"]) transcript.root.addEventListener(name, () => this.#tell());
  }

  get #places() {
    return [...this.#doubts].flatMap((doubt) => {
      const item = doubt.closest("[data-start]");
      return item instanceof HTMLElement ? [item] : [];
    });
  }

  get #doubts() {
    return this.transcript.root.getElementsByClassName("segment__doubt");
  }

  /** @param {1 | -1} step */
  go(step) {
    const places = this.#places;
    const here = this.transcript.items[this.transcript.picked];
    const side = step > 0 ? Node.DOCUMENT_POSITION_FOLLOWING : Node.DOCUMENT_POSITION_PRECEDING;
    /** @param {HTMLElement} item */
    const isBeyond = (item) => (here ? Boolean(here.compareDocumentPosition(item) & side) : step > 0);
    const item = step > 0 ? (places.find(isBeyond) ?? places[0]) : (places.findLast(isBeyond) ?? places.at(-1));
    if (!item) return;
    this.transcript.pick(item);
    this.count.textContent = text("check_place", { number: places.indexOf(item) + 1, total: places.length });
  }

  #tell() {
    const left = this.#doubts.length;
    const said = left ? (left === 1 ? "check_one" : "check_many") : "check_none";
    this.count.textContent = text(said, { number: left });
    this.next.disabled = left === 0;
  }

  /**
   * What is corrected meanwhile stays in sight until the list is filtered again.
   * @param {boolean} on
   */
  #filter(on) {
    const places = new Set(this.#places);
    for (const item of this.transcript.items) item.toggleAttribute("data-check", places.has(item));
    this.transcript.root.classList.toggle("transcript--checks", on);
    this.only.setAttribute("aria-pressed", String(on));
    this.transcript.restop();
  }
}
