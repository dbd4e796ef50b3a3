// [data-rename-recording] opens the page's dialog for another name of a recording: the address that takes it, and the name it has.
import { closest, data, find } from "./query.js";

export function watchRenames() {
  document.addEventListener("click", (event) => {
    const opener = closest(event, "[data-rename-recording]");
    if (!opener) return;
    const dialog = find(document, "#rename", HTMLDialogElement);
    const field = find(dialog, "[name=name]", HTMLInputElement);
    find(dialog, "form", HTMLFormElement).action = data(opener, "renameRecording");
    field.value = data(opener, "nameNow");
    dialog.showModal();
    const dot = field.value.lastIndexOf(".");
    field.setSelectionRange(0, dot > 0 ? dot : field.value.length);
  });
}

/**
 * Shows the name that the page's recording was given elsewhere.
 * @param {string} name
 */
export function showName(name) {
  find(document, "h1[data-name]", HTMLElement).textContent = name;
  document.title = document.title.replace(/^.*(?= · )/s, () => name);
  const opener = document.querySelector("[data-rename-recording]");
  if (opener instanceof HTMLElement) opener.dataset.nameNow = name;
}
