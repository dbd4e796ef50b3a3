// <form data-in-place>: sent without leaving the page. The answer is what stands in the place of the form, or of the
// [data-part] around it.
import { ask } from "./page.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

export function watchInPlace() {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!(form instanceof HTMLFormElement) || !form.matches("[data-in-place]")) return;
    event.preventDefault();
    send(form);
  });
}

/** @param {HTMLFormElement} form */
async function send(form) {
  const answer = await ask(form.action, { method: "POST", body: new FormData(form) }).catch(() => null);
  if (!answer?.ok) return toast(text("speakers_failed"), { error: true });
  const fresh = document.createElement("template");
  fresh.innerHTML = await answer.text();
  const place = form.closest("[data-part]") ?? form;
  const part = fresh.content.firstElementChild;
  if (!part) return;
  place.replaceWith(part);
  /** @type {HTMLElement | null} */
  const focus = part.querySelector("[data-focus]");
  focus?.focus();
}
