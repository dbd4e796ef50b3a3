// Elements that a page must have, by selector and class: what is missing is named where it is missed.

/**
 * Returns the first element under `root` that matches. Throws an Error when there is none, or one of another class.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} kind
 * @returns {T}
 */
export function find(root, selector, kind) {
  const found = root.querySelector(selector);
  if (found instanceof kind) return found;
  throw new Error(`${selector} is ${found ? `a ${found.constructor.name}` : "missing"}; a ${kind.name} is needed`);
}

/**
 * Returns the data attribute `name` of `node`. Throws an Error when it has none.
 * @param {HTMLElement} node
 * @param {string} name in camelCase
 * @returns {string}
 */
export function data(node, name) {
  const value = node.dataset[name];
  if (value === undefined) throw new Error(`A ${node.localName} has no data attribute ${name}`);
  return value;
}

/**
 * Returns what matches at or around the place of an event; null for none, and for an event of the document itself.
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export function closest(event, selector) {
  return event.target instanceof Element ? event.target.closest(selector) : null;
}
