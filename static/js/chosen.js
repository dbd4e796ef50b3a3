// What somebody has chosen in a transcript: the words that are selected, or else the line that they are at or went to.
import { closest, find } from "./query.js";

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
 * Returns the lines of which something is selected, from which character of the first one, and before which of the last
 * one (null for its end). They need not have elements.
 * @param {Transcript} transcript
 */
function selectionOf(transcript) {
  const selection = getSelection();
  if (!selection?.rangeCount || selection.isCollapsed) return null;
  const range = selection.getRangeAt(0);
  const lines = transcript.linesIn(range);
  const [from, to] = [lines[0], lines.at(-1)];
  if (!from || !to) return null;
  const { startContainer, startOffset, endContainer, endOffset } = range;
  const [first, last] = [from, to].map((line) => line.element?.querySelector(".segment__text"));
  const position = first?.contains(startContainer) ? lengthUpTo(first, startContainer, startOffset) : 0;
  const until = last?.contains(endContainer) ? lengthUpTo(last, endContainer, endOffset) : null;
  return { range, lines, position, until };
}

/**
 * @param {Transcript} transcript
 * @returns {Chosen | null}
 */
function selectedIn(transcript) {
  const selected = selectionOf(transcript);
  if (!selected) return null;
  const { range, lines, position, until } = selected;
  const isStruck = lines.every((line) => {
    const shown = line.element?.querySelector(".segment__text");
    return shown ? isStruckIn(shown, range) : line.struck === 2;
  });
  return { first: Number(lines[0]?.index), position, last: Number(lines.at(-1)?.index), until, isStruck };
}

/**
 * What is selected goes to the clipboard with the lines that have no elements.
 * @param {ClipboardEvent} event
 * @param {Transcript} transcript
 */
export function copy(event, transcript) {
  const selected = transcript.isPartial && !closest(event, "input, textarea") ? selectionOf(transcript) : null;
  if (!selected?.lines.some((line) => !line.element)) return;
  const { lines, position, until } = selected;
  const [first, last] = [lines[0], lines.at(-1)];
  const said = lines.map((line) => transcript.textOf([line]));
  if (position && first && !first.struck) said[0] = [...first.text].slice(position).join("");
  const rest = until === null || !last || last.struck ? 0 : [...last.text].slice(until).join("").length;
  if (rest) said[said.length - 1] = (said.at(-1) ?? "").slice(0, -rest);
  event.clipboardData?.setData("text/plain", said.join("\n"));
  event.preventDefault();
}

/**
 * The line, or the speech without text, that somebody is at or went to last: not one that only plays.
 * @param {Transcript} transcript
 * @returns {Chosen | null}
 */
function lineIn(transcript) {
  const line = transcript.lineOf(document.activeElement) ?? transcript.lines[transcript.picked];
  if (!line) return null;
  const { index, start, end } = line;
  if (index === null) return { start, end, isStruck: false };
  const item = transcript.element(line);
  if (!item) return null;
  const range = new Range();
  const shown = find(item, ".segment__text", HTMLElement);
  range.selectNodeContents(shown);
  return { first: index, position: 0, last: index, until: null, isStruck: isStruckIn(shown, range) };
}

/**
 * Returns how many characters of a text stand before a place in it.
 * @param {Element} shown
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
 * @param {Element} shown
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
