// A <details class="menu"> closes on Escape, on a click elsewhere and when another one opens. It opens upwards where the
// window ends below it. The items of one with data-menu come from that address, behind those that it has.
import { element } from "./element.js";
import { ask } from "./page.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";

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
      if (!(target instanceof HTMLDetailsElement) || !target.matches(".menu[open]")) return;
      place(target);
      load(target);
    },
    { capture: true }, // it doesn't bubble
  );
  document.addEventListener("pointerdown", (event) => {
    const menu = closest(event, "details.menu > summary")?.parentElement;
    if (menu instanceof HTMLDetailsElement) load(menu);
  });
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
async function load(menu) {
  if (!menu.dataset.menu) return;
  const address = data(menu, "menu");
  delete menu.dataset.menu; // it is asked for once
  const list = find(menu, ".menu__list", HTMLElement);
  list.setAttribute("aria-busy", "true");
  const answer = await ask(address).catch(() => null);
  list.removeAttribute("aria-busy");
  list.querySelector(".menu__label")?.remove();
  if (answer?.ok) {
    list.insertAdjacentHTML("beforeend", await answer.text());
  } else {
    list.append(element("p", { class: "menu__label", role: "status" }, text("menu_failed")));
    menu.dataset.menu = address;
  }
  if (menu.open) place(menu);
}

/** @param {HTMLDetailsElement} menu */
function place(menu) {
  menu.classList.remove("menu--up");
  const list = find(menu, ".menu__list", HTMLElement).getBoundingClientRect();
  const button = find(menu, "summary", HTMLElement).getBoundingClientRect();
  menu.classList.toggle("menu--up", list.bottom > innerHeight && button.top > innerHeight - button.bottom);
}
