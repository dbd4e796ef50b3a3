// Light, dark, or as the system has it; remembered in this browser.
import { find } from "./query.js";

const ORDER = ["system", "light", "dark"];

function current() {
  return document.documentElement.dataset.theme ?? "system";
}

/** @param {string} theme */
function choose(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", theme);
  } catch {
    /* it lasts as long as the page */
  }
  document.dispatchEvent(new CustomEvent("themechange"));
}

export function watchThemeButton() {
  /** @type {HTMLElement | null} */
  const button = document.querySelector("[data-theme-button]");
  if (!button) return;
  /** @type {NodeListOf<HTMLElement>} */
  const faces = button.querySelectorAll("[data-theme-face]");
  const show = () => {
    for (const face of faces) face.hidden = face.dataset.themeFace !== current();
    button.title = find(button, "[data-theme-face]:not([hidden]) .visually-hidden", HTMLElement).textContent;
  };
  button.addEventListener("click", () => {
    choose(ORDER[(ORDER.indexOf(current()) + 1) % ORDER.length] ?? "system");
    show();
  });
  button.hidden = false;
  show();
}
