// Light, dark, or as the system has it; remembered in this browser.
const ORDER = ["system", "light", "dark"];

function current() {
  return document.documentElement.dataset.theme ?? "system";
}

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
  const button = document.querySelector("[data-theme-button]");
  if (!button) return;
  const show = () => {
    for (const face of button.querySelectorAll("[data-theme-face]")) face.hidden = face.dataset.themeFace !== current();
    button.title = button.querySelector("[data-theme-face]:not([hidden]) .visually-hidden").textContent;
  };
  button.addEventListener("click", () => {
    choose(ORDER[(ORDER.indexOf(current()) + 1) % ORDER.length]);
    show();
  });
  button.hidden = false;
  show();
}
