// What to listen to again: segments with doubts, and speech without text.
import { find } from "./query.js";
import { text } from "./strings.js";

/** @import { Line } from "./lines.js" */
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
    return this.transcript.lines.filter((line) => line.doubt);
  }

  /** @param {1 | -1} step */
  go(step) {
    const places = this.#places;
    const here = this.transcript.picked;
    const isBefore = (/** @type {Line} */ line) => line.place < here;
    const isBehind = (/** @type {Line} */ line) => line.place > here;
    const line = step > 0 ? (places.find(isBehind) ?? places[0]) : (places.findLast(isBefore) ?? places.at(-1));
    if (!line) return;
    this.transcript.pick(line);
    this.count.textContent = text("check_place", { number: places.indexOf(line) + 1, total: places.length });
  }

  #tell() {
    const left = this.#places.length;
    const said = left ? (left === 1 ? "check_one" : "check_many") : "check_none";
    this.count.textContent = text(said, { number: left });
    this.next.disabled = left === 0;
  }

  /**
   * What is corrected meanwhile stays in sight until the list is filtered again.
   * @param {boolean} on
   */
  #filter(on) {
    for (const line of this.transcript.lines) line.kept = on && line.doubt !== "";
    this.transcript.filter("checks", on ? (line) => !line.kept : null);
    this.only.setAttribute("aria-pressed", String(on));
  }
}
