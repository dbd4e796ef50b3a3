import { find } from "./query.js";

/**
 * Files come by the picker, or dropped anywhere on the page.
 * @param {HTMLElement} card
 * @param {(files: File[]) => void} onFiles
 */
export function watchDrops(card, onFiles) {
  const zone = find(card, "[data-drop]", HTMLElement);
  const picker = find(zone, "input[type=file]", HTMLInputElement);
  const veil = find(document, "[data-drop-veil]", HTMLElement);
  let depth = 0;

  /** @param {DragEvent} event */
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  /** @param {boolean} over */
  const show = (over) => {
    veil.hidden = !over;
    zone.classList.toggle("is-over", over);
  };

  picker.addEventListener("change", () => {
    onFiles([...(picker.files ?? [])]);
    picker.value = "";
  });
  document.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    depth += 1;
    show(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!carriesFiles(event)) return;
    depth -= 1;
    if (depth <= 0) show(false);
  });
  document.addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    show(false);
    onFiles([...(event.dataTransfer?.files ?? [])]);
  });
}
