// <form data-confirm-title="…" data-confirm-text="…" data-confirm-label="…">: asks in the page's dialog first.
import { data, find } from "./query.js";

export function watchConfirmations() {
  const dialog = document.getElementById("confirm");
  if (!(dialog instanceof HTMLDialogElement)) return;
  /** @type {WeakSet<HTMLFormElement>} */
  const confirmed = new WeakSet();
  /** @type {HTMLFormElement | null} */
  let waiting = null;

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.dataset.confirmTitle || confirmed.has(form)) return;
    event.preventDefault();
    waiting = form;
    find(dialog, "[data-title]", HTMLElement).textContent = form.dataset.confirmTitle;
    find(dialog, "[data-text]", HTMLElement).textContent = form.dataset.confirmText ?? "";
    find(dialog, "[data-yes]", HTMLElement).textContent = data(form, "confirmLabel");
    dialog.returnValue = "";
    dialog.showModal();
  });
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "yes" || !waiting) return;
    confirmed.add(waiting);
    // Progress may have drawn its place anew behind the dialog; the answer counts all the same.
    if (!waiting.isConnected) document.body.append(Object.assign(waiting, { hidden: true }));
    waiting.requestSubmit();
  });
}
