// A <details class="menu"> closes on Escape, on a click elsewhere and when another one opens. It opens upwards where the
// window ends below it.
import { closest, find } from "./query.js";

export function watchMenus() {
  /** @returns {NodeListOf<HTMLDetailsElement>} */
  const open = () => document.querySelectorAll("details.menu[open]");

  /**
   * @param {HTMLElement} menu
   * @param {Event} event
   */
  const isIn = (menu, event) => event.target instanceof Node && menu.contains(event.target);

  document.addEventListener(
    "toggle",
    ({ target }) => {
      if (target instanceof HTMLDetailsElement && target.matches(".menu[open]")) place(target);
    },
    { capture: true }, // it doesn't bubble
  );
  document.addEventListener("click", (event) => {
    for (const menu of open()) {
      const chosen = closest(event, ".menu__item");
      if (!isIn(menu, event) || chosen) menu.open = false;
    }
  });
  document.addEventListener("focusin", (event) => {
    for (const menu of open()) if (!isIn(menu, event)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const menu = [...open()].find((one) => isIn(one, event)) ?? open()[0];
    if (!menu) return;
    if (event.key === "Escape") {
      menu.open = false;
      find(menu, "summary", HTMLElement).focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      /** @type {NodeListOf<HTMLElement>} */
      const found = menu.querySelectorAll(".menu__item");
      const items = [...found];
      const here = items.findIndex((item) => item.matches(":focus"));
      const step = event.key === "ArrowDown" ? 1 : -1;
      items.at((here + step + (here < 0 && step < 0 ? 1 : 0)) % items.length)?.focus();
      event.preventDefault();
    }
  });
}

/** @param {HTMLDetailsElement} menu */
function place(menu) {
  menu.classList.remove("menu--up");
  const list = find(menu, ".menu__list", HTMLElement).getBoundingClientRect();
  const button = find(menu, "summary", HTMLElement).getBoundingClientRect();
  menu.classList.toggle("menu--up", list.bottom > innerHeight && button.top > innerHeight - button.bottom);
}
