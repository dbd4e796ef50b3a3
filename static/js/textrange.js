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
 * Returns which character of an element's text a place of the document is before; undefined outside the element.
 * @param {Element} root
 * @param {Node} node
 * @param {number} offset
 */
export function offsetIn(root, node, offset) {
  if (!root.contains(node)) return undefined;
  const range = new Range();
  range.setStart(root, 0);
  range.setEnd(node, offset);
  return range.toString().length;
}

/**
 * @param {Element} root
 * @param {number} offset
 * @returns {[Node, number]}
 */
function placeOf(root, offset) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  let rest = offset;
  for (let node = walker.nextNode(); node instanceof Text; node = walker.nextNode()) {
    if (rest <= node.length) return [node, rest];
    rest -= node.length;
  }
  return [root, root.childNodes.length];
}
