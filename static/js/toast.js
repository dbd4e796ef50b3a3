// Short messages at the foot of the page: the server's (already in the markup) and the scripts'.
import { element } from "./element.js";
import { icon } from "./icon.js";
import { find } from "./query.js";
import { text } from "./strings.js";

const SECONDS = 7;
const SECONDS_WITH_ACTION = 15;
const AT_ONCE = 2;

/**
 * @param {string} message
 * @param {{error?: boolean, action?: {label: string, run: () => void, lasts?: boolean}, after?: () => void}} [options]
 *   `action` is what a button in it does; where it `lasts`, a later change of the text leaves it right; `after` runs when
 *   the message goes without that
 */
export function toast(message, { error = false, action, after } = {}) {
  const node = element(
    "div",
    { class: `toast${error ? " toast--error" : ""}` },
    element("span", { class: "toast__text" }, message),
    closeButton(),
  );
  if (action) {
    const button = element("button", { type: "button", class: "button button--small button--undo" }, action.label);
    button.toggleAttribute("data-lasts", action.lasts ?? false);
    button.addEventListener("click", () => {
      node.remove();
      action.run();
    });
    find(node, ".toast__text", HTMLElement).after(button);
  }
  if (after) node.addEventListener("gone", after);
  const toasts = find(document, "#toasts", HTMLElement);
  for (const same of [...toasts.children].filter((one) => one.textContent === node.textContent)) take(same);
  toasts.append(node);
  while (toasts.firstElementChild && toasts.children.length > AT_ONCE) take(toasts.firstElementChild);
  letGo(node);
  return node;
}

/** What earlier messages offer to undo is not what was done last any more. */
export function dropUndo() {
  for (const button of document.querySelectorAll("#toasts .button--undo[type=button]:not([data-lasts])")) {
    take(/** @type {Element} */ (button.closest(".toast")));
  }
}

export function watchToasts() {
  const toasts = document.getElementById("toasts");
  if (!toasts) return;
  for (const node of toasts.querySelectorAll(".toast")) {
    node.append(closeButton());
    letGo(node);
  }
}

function closeButton() {
  const button = element(
    "button",
    { type: "button", class: "button button--small button--icon", "aria-label": text("close") },
    icon("x", "icon--s"),
  );
  button.addEventListener("click", () => take(/** @type {Element} */ (button.closest(".toast"))));
  return button;
}

/** @param {Element} node */
function take(node) {
  if (!node.isConnected) return;
  node.remove();
  node.dispatchEvent(new Event("gone"));
}

/**
 * Removes the toast after a while, but never under a pointer or the keyboard's focus.
 * @param {Element} node
 */
function letGo(node) {
  const seconds = node.querySelector("form, .button--undo") ? SECONDS_WITH_ACTION : SECONDS;
  const later = () =>
    setTimeout(() => {
      if (node.matches(":hover, :focus-within")) later();
      else take(node);
    }, seconds * 1000);
  later();
}
