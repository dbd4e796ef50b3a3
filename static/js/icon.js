// An icon of the sprite, for what scripts put on the page.
const sprite = document.documentElement.dataset.icons;

export function icon(name, extra = "") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", `icon ${extra}`.trim());
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${sprite}#${name}`);
  svg.append(use);
  return svg;
}

/** Shows another icon in `holder`, keeping the rest of it. */
export function setIcon(holder, name) {
  holder.querySelector("use").setAttribute("href", `${sprite}#${name}`);
}
