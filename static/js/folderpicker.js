// Inputs that name a folder: the names that fit what is typed are offered, however many folders there are.
import { element } from "./element.js";
import { ask } from "./page.js";
import { data } from "./query.js";

const TYPING = 200;

export function watchFolderPickers() {
  /** @type {NodeListOf<HTMLInputElement>} */
  const inputs = document.querySelectorAll("[data-folder-names]");
  for (const input of inputs) {
    let timer = 0;
    let asked = "";
    const offer = async () => {
      const query = input.value.trim();
      asked = query;
      const address = `${data(input, "folderNames")}?${new URLSearchParams({ q: query })}`;
      const answer = await ask(address).catch(() => null);
      if (!answer?.ok || asked !== query) return;
      /** @type {{names: string[]}} */
      const { names } = await answer.json();
      input.list?.replaceChildren(...names.map((name) => element("option", { value: name })));
    };
    input.addEventListener("focus", () => input.list?.children.length || offer());
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(offer, TYPING);
    });
  }
}
