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
    if (dialog.returnValue !== "yes") return;
    confirmed.add(waiting);
    // Progress may have drawn its place anew behind the dialog; the answer counts all the same.
    if (!waiting.isConnected) document.body.append(Object.assign(waiting, { hidden: true }));
    waiting.requestSubmit();
  });
}
