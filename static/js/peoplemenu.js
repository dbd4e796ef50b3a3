// Whom a text may mention: after an @ the people whose name or address goes on like that are offered.
import { element } from "./element.js";

const SHOWN = 6;
const BEGUN = /(?:^|[\s(])@([^\s@]*)$/u;

export class PeopleMenu {
  /** @type {[address: string, name: string][]} */
  people = [];
  /** @type {string[]} the addresses that are offered */
  #offered = [];
  #at = 0;

  /**
   * @param {HTMLTextAreaElement} area
   * @param {HTMLElement} list
   */
  constructor(area, list) {
    this.area = area;
    this.list = list;
    area.addEventListener("input", () => this.#offer());
    area.addEventListener("blur", () => setTimeout(() => this.close(), 200));
    list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const option = event.target instanceof Element ? event.target.closest("li") : null;
      if (option) this.#take([...this.list.children].indexOf(option));
    });
  }

  close() {
    this.#offered = [];
    this.#draw([]);
  }

  /**
   * Does what a key means to the menu. Returns whether it means anything.
   * @param {KeyboardEvent} event
   */
  key(event) {
    if (!this.#offered.length) return false;
    const { length } = this.#offered;
    if (event.key === "ArrowDown") this.#at = (this.#at + 1) % length;
    else if (event.key === "ArrowUp") this.#at = (this.#at + length - 1) % length;
    else if (event.key === "Enter" || event.key === "Tab") this.#take(this.#at);
    else if (event.key === "Escape") this.close();
    else return false;
    this.#select();
    event.preventDefault();
    return true;
  }

  get #begun() {
    return BEGUN.exec(this.area.value.slice(0, this.area.selectionStart))?.[1];
  }

  #offer() {
    const wanted = this.#begun?.toLocaleLowerCase();
    if (wanted === undefined) return this.close();
    const found = this.people.filter(([address, name]) => `${name} ${address}`.toLocaleLowerCase().includes(wanted));
    this.#at = 0;
    const shown = found.slice(0, SHOWN);
    this.#offered = shown.map(([address]) => address);
    this.#draw(shown.map(([address, name]) => (name === address ? name : `${name} (${address})`)));
  }

  /** @param {string[]} labels */
  #draw(labels) {
    const options = labels.map((label, at) => element("li", { role: "option", id: `comment-person-${at}` }, label));
    this.list.replaceChildren(...options);
    this.list.hidden = !labels.length;
    this.#select();
  }

  #select() {
    for (const [at, option] of [...this.list.children].entries())
      option.setAttribute("aria-selected", String(at === this.#at));
    if (this.#offered.length) this.area.setAttribute("aria-activedescendant", `comment-person-${this.#at}`);
    else this.area.removeAttribute("aria-activedescendant");
  }

  /** @param {number} at */
  #take(at) {
    const address = this.#offered[at];
    const begun = this.#begun;
    if (!address || begun === undefined) return;
    const caret = this.area.selectionStart;
    this.area.setRangeText(`${address} `, caret - begun.length, caret, "end");
    this.close();
  }
}
