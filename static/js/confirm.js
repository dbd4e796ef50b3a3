// <form data-confirm-title="…" data-confirm-text="…" data-confirm-label="…">: asks in the page's dialog first.
export function watchConfirmations() {
  const dialog = document.getElementById("confirm");
  if (!dialog) return;
  const confirmed = new WeakSet();
  let waiting = null;

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.confirmTitle || confirmed.has(form)) return;
    event.preventDefault();
    waiting = form;
    dialog.querySelector("[data-title]").textContent = form.dataset.confirmTitle;
    dialog.querySelector("[data-text]").textContent = form.dataset.confirmText ?? "";
    dialog.querySelector("[data-yes]").textContent = form.dataset.confirmLabel;
    dialog.returnValue = "";
    dialog.showModal();
  });
  dialog.addEventListener("close", () => {
    if (dialog.returnValue !== "yes" || !waiting?.isConnected) return;
    confirmed.add(waiting);
    waiting.requestSubmit();
  });
}
