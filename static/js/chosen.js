// What somebody has chosen in a transcript: the words that are selected, or else the line that they are at.
import { find } from "./query.js";

/** @import { Transcript } from "./transcript.js" */
/**
 * Words, from a character of one line to before one of another; or seconds, where there is no text.
 * @typedef {{first: number, position: number, last: number, until: number | null, isStruck: boolean}
 *   | {start: number, end: number, isStruck: boolean}} Chosen
 */

/**
 * @param {Transcript} transcript
 * @returns {Chosen | null}
 */
export function chosenOf(transcript) {
  return selectedIn(transcript) ?? lineIn(transcript);
}

/**
 * @param {Transcript} transcript
 * @returns {Chosen | null}
 */
function selectedIn(transcript) {
  const selection = getSelection();
  if (!selection?.rangeCount || selection.isCollapsed) return null;
  const range = selection.getRangeAt(0);
  const texts = transcript.texts.filter((shown) => range.intersectsNode(shown));
  const [from, to] = [texts[0], texts.at(-1)];
  if (!from || !to) return null;
  const position = from.contains(range.startContainer) ? lengthUpTo(from, range.startContainer, range.startOffset) : 0;
  const until = to.contains(range.endContainer) ? lengthUpTo(to, range.endContainer, range.endOffset) : null;
  const isStruck = texts.every((shown) => isStruckIn(shown, range));
  return { first: indexOf(from), position, last: indexOf(to), until, isStruck };
}

/**
 * The line, or the speech without text, that somebody is at.
 * @param {Transcript} transcript
 * @returns {Chosen | null}
 */
function lineIn(transcript) {
  const focused = document.activeElement?.closest("[data-start]");
  const item = focused && transcript.root.contains(focused) ? focused : transcript.here;
  if (!(item instanceof HTMLElement)) return null;
  if (item.dataset.index === undefined)
    return { start: Number(item.dataset.start), end: Number(item.dataset.end), isStruck: false };
  const shown = find(item, ".segment__text", HTMLElement);
  const range = new Range();
  range.selectNodeContents(shown);
  const index = indexOf(shown);
  return { first: index, position: 0, last: index, until: null, isStruck: isStruckIn(shown, range) };
}

/** @param {HTMLElement} shown */
function indexOf(shown) {
  const item = shown.closest("[data-index]");
  return Number(item instanceof HTMLElement ? item.dataset.index : -1);
}

/**
 * Returns how many characters of a text stand before a place in it.
 * @param {HTMLElement} shown
 * @param {Node} node
 * @param {number} offset
 */
function lengthUpTo(shown, node, offset) {
  const range = new Range();
  range.setStart(shown, 0);
  range.setEnd(node, offset);
  return [...range.toString()].length;
}

/**
 * Returns whether all words of a text that lie in a range are struck.
 * @param {HTMLElement} shown
 * @param {Range} range
 */
function isStruckIn(shown, range) {
  const walker = document.createTreeWalker(shown, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node instanceof Text; node = walker.nextNode()) {
    if (!range.intersectsNode(node) || node.parentElement?.closest(".struck")) continue;
    const from = node === range.startContainer ? range.startOffset : 0;
    const to = node === range.endContainer ? range.endOffset : node.length;
    if (node.data.slice(from, to).trim()) return false;
  }
  return true;
}
