// <button data-copy="#id"> copies the text of that element.
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

/**
 * Also works over plain http, where navigator.clipboard does not exist.
 * @param {string} content
 * @returns {Promise<boolean>} whether it was copied
 */
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

/** @param {string} content */
export async function copyAndTell(content) {
  if (await copy(content)) toast(text("copied"));
  else toast(text("copy_failed"), { error: true });
}

export function watchCopyButtons() {
  document.addEventListener("click", (event) => {
    const button = closest(event, "[data-copy]");
    if (button) copyAndTell(find(document, data(button, "copy"), Element).textContent.trim());
  });
}
