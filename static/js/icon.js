// An icon of the sprite, for what scripts put on the page.
import { find } from "./query.js";

const sprite = document.documentElement.dataset.icons;

/**
 * @param {string} name
 * @param {string} [extra] another CSS class
 */
export function icon(name, extra = "") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", `icon ${extra}`.trim());
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}

/**
 * Shows another icon in `holder`, keeping the rest of it.
 * @param {HTMLElement} holder
 * @param {string} name
 */
export function setIcon(holder, name) {
  find(holder, "use", SVGUseElement).setAttribute("href", `${sprite}#${name}`);
}
