// Inputs that name a folder: the names that fit what is typed are offered, however many folders there are,
// and the id of the chosen one is sent, where it is known.
import { element } from "./element.js";
import { ask } from "./page.js";
import { data } from "./query.js";

const TYPING = 200;

export function watchFolderPickers() {
  /** @type {NodeListOf<HTMLInputElement>} */
  const inputs = document.querySelectorAll("[data-folder-names]");
  for (const input of inputs) {
    /** @type {HTMLInputElement | null} */
    const hidden = input.parentElement?.querySelector("[data-folder-id]") ?? null;
    if (!hidden) continue;
    const ids = new Map([[input.value, hidden.value]]);
    const choose = () => {
      hidden.value = ids.get(input.value) ?? "";
      hidden.disabled = !hidden.value;
      input.name = hidden.disabled ? "folder" : "";
    };
    let timer = 0;
    let asked = "";
    const offer = async () => {
      const query = input.value.trim();
      asked = query;
      const address = `${data(input, "folderNames")}?${new URLSearchParams({ q: query })}`;
      const answer = await ask(address).catch(() => null);
      if (!answer?.ok || asked !== query) return;
      /** @type {{folders: Record<string, string>}} */
      const { folders } = await answer.json();
      for (const [name, id] of Object.entries(folders)) ids.set(name, id);
      input.list?.replaceChildren(...Object.keys(folders).map((name) => element("option", { value: name })));
      choose();
    };
    input.addEventListener("focus", () => input.list?.children.length || offer());
    input.addEventListener("input", () => {
      choose();
      clearTimeout(timer);
      timer = setTimeout(offer, TYPING);
    });
  }
}
