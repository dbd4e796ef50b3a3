// The sheet of all keys, under "?": what each does, and another key for it.
import { element } from "./element.js";
import { chordOf, isFree, shown } from "./keys.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";

/** @import { Action, Keys } from "./keys.js" */

const GROUPS = [
  { name: "keys_sound", ids: ["play", "stop", "hold", "back", "forward", "slower", "faster"] },
  {
    name: "keys_text",
    ids: [
      "edit",
      "edit_mode",
      "split",
      "merge_before",
      "merge_after",
      "walk",
      "save",
      "leave",
      "replace",
      "times",
      "strike",
      "comment",
      "rehear",
    ],
  },
  {
    name: "keys_page",
    ids: ["undo", "redo", "whose", "proofread", "next_check", "previous_check", "next_strike", "find", "link", "help"],
  },
];

export class KeySheet {
  /** @type {HTMLElement | null} the button of the key that is waited for */
  #waiting = null;

  /** @param {Keys} keys */
  constructor(keys) {
    this.keys = keys;
    this.dialog = find(document, "#keys", HTMLDialogElement);
    this.list = find(this.dialog, "[data-keys]", HTMLElement);
    this.says = find(this.dialog, "[data-keys-say]", HTMLElement);
    this.preset = find(this.dialog, "[data-preset]", HTMLSelectElement);
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.preset.addEventListener(
      "change",
      () => {
        this.keys.choose(this.preset.value);
        this.says.textContent = "";
        this.draw();
      },
      { signal },
    );
    this.list.addEventListener("click", (event) => this.#click(event), { signal });
    this.dialog.addEventListener("keydown", (event) => this.#key(event), { signal, capture: true });
    this.dialog.addEventListener("close", () => this.#wait(null), { signal });
  }

  close() {
    this.stop.abort();
  }

  open() {
    if (!this.dialog.open) this.dialog.showModal();
  }

  draw() {
    find(this.preset, "[value=own]", HTMLOptionElement).hidden = this.keys.preset !== "own";
    this.preset.value = this.keys.preset;
    this.list.replaceChildren(...GROUPS.flatMap((group) => this.#group(group)));
  }

  /**
   * @param {{name: string, ids: string[]}} group
   * @returns {HTMLElement[]}
   */
  #group({ name, ids }) {
    const actions = this.keys.actions.filter((action) => ids.includes(action.id));
    const sorted = ids.flatMap((id) => actions.filter((action) => action.id === id));
    if (!sorted.length) return [];
    const rows = sorted.map((action) => this.#row(action));
    return [element("h3", { class: "keys__title" }, text(name)), element("dl", { class: "keys" }, ...rows)];
  }

  /** @param {Action} action */
  #row(action) {
    const keys = this.keys.keysOf(action);
    const chips = keys.map((key) => element("kbd", { class: "key" }, shown(key)));
    const what = text(`key_${action.id}`);
    const change = action.fixed
      ? ""
      : element(
          "button",
          {
            type: "button",
            class: "button button--quiet button--small",
            "data-key": action.id,
            "aria-label": text("keys_change_of", { action: what }),
          },
          text("keys_change"),
        );
    const none = chips.length ? "" : element("span", { class: "soft" }, text("keys_none"));
    const held = element("span", { class: "keys__held" }, ...chips, none);
    return element("div", { class: "keys__row" }, element("dt", {}, what), element("dd", {}, held, change));
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const button = closest(event, "[data-key]");
    if (button) this.#wait(button === this.#waiting ? null : button);
  }

  /** @param {HTMLElement | null} button */
  #wait(button) {
    if (this.#waiting) this.#waiting.textContent = text("keys_change");
    this.#waiting = button;
    if (!button) return;
    button.textContent = text("keys_press");
    this.says.textContent = text("keys_press_hint");
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const button = this.#waiting;
    const chord = chordOf(event);
    if (!button || !chord) return;
    event.preventDefault();
    event.stopPropagation();
    const id = data(button, "key");
    if (chord === "Backspace") this.#give(id, []);
    else if (isFree(chord)) this.#give(id, [chord]);
    else this.says.textContent = text("keys_not_free", { key: shown(chord) });
  }

  /**
   * @param {string} id
   * @param {string[]} keys
   */
  #give(id, keys) {
    const losers = this.keys.change(id, keys);
    this.#wait(null);
    this.draw();
    find(this.list, `[data-key=${id}]`, HTMLButtonElement).focus();
    const names = losers.map((one) => text(`key_${one}`)).join(", ");
    this.says.textContent = losers.length ? text("keys_taken", { names }) : text("keys_saved");
  }
}
