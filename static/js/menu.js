// A <details class="menu"> closes on Escape, on a click elsewhere and when another one opens.
export function watchMenus() {
  const open = () => document.querySelectorAll("details.menu[open]");

  document.addEventListener("click", (event) => {
    for (const menu of open()) {
      const chosen = event.target.closest?.(".menu__item");
      if (!menu.contains(event.target) || chosen) menu.open = false;
    }
  });
  document.addEventListener("focusin", (event) => {
    for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest?.("details.menu[open]") ?? open()[0];
    if (!menu) return;
    if (event.key === "Escape") {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const items = [...menu.querySelectorAll(".menu__item")];
      const here = items.indexOf(document.activeElement);
      const step = event.key === "ArrowDown" ? 1 : -1;
      items.at((here + step + (here < 0 && step < 0 ? 1 : 0)) % items.length)?.focus();
      event.preventDefault();
    }
  });
}
