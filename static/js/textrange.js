// Places in the text of an element, whatever elements divide it.

/**
 * Returns the range of the characters `from` to `to` of an element's text.
 * @param {Element} root
 * @param {number} from
 * @param {number} to
 */
export function rangeOf(root, from, to) {
  const range = new Range();
  range.setStart(...placeOf(root, from));
  range.setEnd(...placeOf(root, to));
  return range;
}

/**
 * Returns which character of an element's text the pointer is before; undefined beside the element.
 * @param {Element} root
 * @param {MouseEvent} event
 */
export function offsetUnder(root, event) {
  const caret = caretUnder(event);
  if (!caret || !root.contains(caret.node)) return undefined;
  return offsetIn(root, caret.node, caret.offset);
}

/**
 * Returns how many characters of an element's text stand before a place in it.
 * @param {Element} root
 * @param {Node} node
 * @param {number} offset
 */
export function offsetIn(root, node, offset) {
  const range = new Range();
  range.setStart(root, 0);
  range.setEnd(node, offset);
  return range.toString().length;
}

/**
 * Returns the node, and the place in it, of a character of an element's text.
 * @param {Element} root
 * @param {number} offset
 * @returns {[Node, number]}
 */
export function placeOf(root, offset) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  let rest = offset;
  for (let node = walker.nextNode(); node instanceof Text; node = walker.nextNode()) {
    if (rest <= node.length) return [node, rest];
    rest -= node.length;
  }
  return [root, root.childNodes.length];
}

/**
 * @param {MouseEvent} event
 * @returns {{node: Node, offset: number} | null}
 */
function caretUnder({ clientX, clientY }) {
  if (document.caretPositionFromPoint) {
    const place = document.caretPositionFromPoint(clientX, clientY);
    return place && { node: place.offsetNode, offset: place.offset };
  }
  const range = document.caretRangeFromPoint?.(clientX, clientY); // Safari
  return range && { node: range.startContainer, offset: range.startOffset };
}
