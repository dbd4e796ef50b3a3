// The words of one segment: the one that is spoken is marked (a CSS highlight: no markup changes).
import { find } from "./query.js";
import { offsetUnder, rangeOf } from "./textrange.js";

const LINGERS = 0.3; // seconds that a word stays marked in the pause after it

/** @typedef {[from: number, to: number, start: number, end: number]} Mark characters of the text, seconds of the sound */

export class Words {
  #spoken = -1;

  /** @param {HTMLElement} item */
  constructor(item) {
    this.text = find(item, ".segment__text", HTMLElement);
    /** @type {Mark[]} */
    this.marks = JSON.parse(item.dataset.words ?? "[]");
  }

  /**
   * Marks the word spoken at `seconds`.
   * @param {number} seconds
   */
  at(seconds) {
    const place = this.marks.findLastIndex(([, , start]) => start <= seconds + 0.01);
    const mark = this.marks[place];
    const spoken = mark && seconds <= mark[3] + LINGERS ? place : -1;
    if (spoken === this.#spoken) return;
    this.#spoken = spoken;
    CSS.highlights?.set("spoken-word", new Highlight(...(mark && spoken >= 0 ? [this.#range(mark)] : [])));
  }

  leave() {
    this.#spoken = -1;
    CSS.highlights?.delete("spoken-word");
  }

  /**
   * Seconds at which the word under the pointer begins; undefined beside words.
   * @param {MouseEvent} event
   */
  startUnder(event) {
    const at = offsetUnder(this.text, event);
    if (at === undefined) return undefined;
    const near = this.marks.filter(([from, to]) => from <= at && at <= to); // two, where no space divides them
    return near.find((mark) => contains(this.#range(mark), event))?.[2];
  }

  /** @param {Mark} mark */
  #range([from, to]) {
    return rangeOf(this.text, from, to);
  }
}

/**
 * @param {Range} range
 * @param {MouseEvent} event
 */
function contains(range, { clientX, clientY }) {
  /** @param {DOMRect} box */
  const around = ({ left, right, top, bottom }) =>
    left <= clientX && clientX <= right && top <= clientY && clientY <= bottom;
  return [...range.getClientRects()].some(around);
}
