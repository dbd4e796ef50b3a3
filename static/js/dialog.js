// <button data-open-dialog="id"> opens that <dialog>; [data-close-dialog] and a click beside it close it.
import { closest, data, find } from "./query.js";

/**
 * @param {HTMLElement} dialog
 * @param {MouseEvent} event
 */
function isBeside(dialog, { clientX, clientY }) {
  const box = dialog.getBoundingClientRect();
  return clientX < box.left || clientX > box.right || clientY < box.top || clientY > box.bottom;
}

export function watchDialogs() {
  document.addEventListener("click", (event) => {
    const opener = closest(event, "[data-open-dialog]");
    const closer = closest(event, "[data-close-dialog]");
    if (opener) find(document, `#${data(opener, "openDialog")}`, HTMLDialogElement).showModal();
    else if (closer) closer.closest("dialog")?.close();
    else if (event.target instanceof HTMLDialogElement && isBeside(event.target, event)) event.target.close();
  });
}
