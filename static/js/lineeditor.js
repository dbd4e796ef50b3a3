// Correcting a line on the page of a share link: one at a time, and its text alone. What was typed stays in the field
// until the server has it.
import { messageOf } from "./changes.js";
import { element } from "./element.js";
import { ask } from "./page.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

const LONGEST = 5000;

/** @import { Change } from "./changes.js" */
/** @import { Transcript } from "./transcript.js" */
/** @typedef {{text: string, etag: string, change: Change}} Saved */

export class LineEditor {
  /** @type {HTMLFormElement | null} of the line that is open */
  #form = null;
  /** The number of that line, of which a long transcript may throw the element away. */
  #index = -1;

  /** @param {Transcript} transcript */
  constructor(transcript) {
    this.transcript = transcript;
    const { root } = transcript;
    root.addEventListener("click", (event) => {
      if (closest(event, "[data-edit]") && event.target instanceof Node) this.#open(event.target);
    });
    root.addEventListener("drawn", () => this.#put());
    root.addEventListener("focusin", (event) => {
      if (event.target instanceof Node) this.#reach(event.target);
    });
    addEventListener("beforeunload", (event) => {
      if (this.#form) event.preventDefault();
    });
  }

  /** Whether somebody types in a line. */
  get isOpen() {
    return this.#form !== null;
  }

  /** Lets the Tab key come from a line's time to its pencil. @param {Node} node in the line */
  #reach(node) {
    const line = this.transcript.lineOf(node);
    /** @type {HTMLElement | null | undefined} */
    const pencil = line?.element?.querySelector("[data-edit]");
    if (!line || !pencil) return;
    for (const other of this.transcript.root.querySelectorAll("[data-edit][tabindex='0']"))
      other.setAttribute("tabindex", "-1");
    pencil.setAttribute("tabindex", "0");
    pencil.setAttribute("aria-label", `${pencil.title}, ${line.time}`);
  }

  /** Puts the form into its line, where that was drawn anew. */
  #put() {
    const item = this.#form?.isConnected === false && this.transcript.segments[this.#index]?.element;
    if (!item || !this.#form) return;
    const shown = find(item, ".segment__text", HTMLElement);
    shown.hidden = true;
    shown.after(this.#form);
  }

  #return() {
    const line = this.transcript.segments[this.#index];
    if (line) this.transcript.reveal(line);
    this.#form?.querySelector("textarea")?.focus();
  }

  /** @param {Node} node in the line */
  async #open(node) {
    const line = this.transcript.lineOf(node);
    if (this.#form) return this.#return();
    const item = line && (await this.transcript.whole(line));
    if (this.#form) return this.#return();
    const etag = item?.dataset.etag;
    if (!line || !item || !etag) return;
    const shown = find(item, ".segment__text", HTMLElement);
    const area = element("textarea", {
      "aria-label": text("edit_label", { time: line.time }),
      maxlength: LONGEST,
      rows: 3,
    });
    area.value = shown.textContent.trim();
    const cancel = element("button", { type: "button", class: "button button--small" }, text("edit_cancel"));
    const save = element(
      "button",
      { type: "submit", class: "button button--small button--primary" },
      text("edit_save"),
    );
    const alert = element("div", { role: "alert" });
    const told = { index: Number(line.index), etag, start: line.start };
    const form = element(
      "form",
      { class: "segment__editor" },
      area,
      ...nameField(),
      alert,
      element("div", { class: "cluster" }, save, cancel),
    );
    const leave = () => {
      const here = form.closest(".segment");
      form.remove();
      this.#form = null;
      if (!here) return;
      find(here, ".segment__text", HTMLElement).hidden = false;
      here.querySelector("button")?.focus();
    };
    cancel.addEventListener("click", leave);
    form.addEventListener("click", (event) => event.stopPropagation()); // a click on a line plays it
    form.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") leave();
      else if (event.key === "Enter" && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      save.disabled = true;
      const why = await this.#save(told, area.value, leave);
      save.disabled = false;
      if (why) alert.replaceChildren(element("p", { class: "field__errors" }, why));
    });
    [this.#form, this.#index] = [form, told.index];
    this.#put();
    area.focus();
  }

  /**
   * Returns why it was not saved; empty if it was.
   * @param {{index: number, etag: string, start: number}} told
   * @param {string} typed
   * @param {() => void} leave
   */
  async #save(told, typed, leave) {
    const { index } = told;
    const { root } = this.transcript;
    const body = JSON.stringify({ text: typed, etag: told.etag, start: told.start });
    const headers = { "Content-Type": "application/json" };
    const answer = await ask(`${data(root, "lines")}/${index}/`, { method: "POST", headers, body }).catch(() => null);
    if (!answer) return text("edit_failed");
    if (answer.status === 412) {
      /** @type {{error: {message: string}, now: Partial<Saved>}} */
      const { error, now } = await answer.json();
      if (now.etag) told.etag = now.etag; // whoever saves again has seen it
      return `${error.message} ${text("edit_now")} ${now.text ?? ""}`;
    }
    if (!answer.ok) return messageOf(answer);
    /** @type {Saved} */
    const { change } = await answer.json();
    leave();
    root.dataset.revision = String(change.revision);
    this.transcript.replace(change);
    root.dispatchEvent(new CustomEvent("changed", { detail: change }));
    this.transcript.focusOn(index);
    toast(text("edit_saved"));
    return "";
  }
}

/** Where nobody said who writes, a second field for the name, which stands far below. @returns {HTMLElement[]} */
function nameField() {
  /** @type {HTMLInputElement | null} */
  const field = document.querySelector("[data-guest-name]");
  if (!field || field.value.trim() || field.parentElement?.hidden) return [];
  const name = element("input", { maxlength: field.maxLength, autocomplete: "name", required: true });
  name.addEventListener("input", () => {
    field.value = name.value;
    field.dispatchEvent(new Event("input"));
  });
  return [element("label", { class: "field" }, field.labels?.[0]?.textContent ?? "", name)];
}
