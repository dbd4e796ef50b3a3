// <button data-copy="#id"> copies the text of that element.
import { text } from "./strings.js";
import { toast } from "./toast.js";

/** Also works over plain http, where navigator.clipboard does not exist. */
export async function copy(content) {
  try {
    await navigator.clipboard.writeText(content);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = content;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

export async function copyAndTell(content) {
  if (await copy(content)) toast(text("copied"));
  else toast(text("copy_failed"), { error: true });
}

export function watchCopyButtons() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copyAndTell(document.querySelector(button.dataset.copy).textContent.trim());
  });
}
