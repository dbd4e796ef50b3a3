// What is folded away on narrow windows: a button of the class `unfold` shows and hides what comes after it.
import { closest } from "./query.js";

export function watchFolds() {
  document.addEventListener("click", (event) => {
    const button = closest(event, ".unfold");
    button?.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") !== "true"));
  });
}
