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

  /** @param {Transcript} transcript */
  constructor(transcript) {
    this.transcript = transcript;
    const { root } = transcript;
    root.addEventListener("click", (event) => {
      if (closest(event, "[data-edit]") && event.target instanceof Node) this.#open(event.target);
    });
    addEventListener("beforeunload", (event) => {
      if (this.#form) event.preventDefault();
    });
  }

  /** @param {Node} node in the line */
  #open(node) {
    const line = this.transcript.lineOf(node);
    const item = line?.element;
    if (!line || !item) return;
    if (this.#form) return this.#form.querySelector("textarea")?.focus();
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
    const form = element(
      "form",
      { class: "segment__editor" },
      area,
      alert,
      element("div", { class: "cluster" }, save, cancel),
    );
    const leave = () => {
      form.remove();
      shown.hidden = false;
      this.#form = null;
      item.querySelector("button")?.focus();
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
      const why = await this.#save(item, Number(line.index), area.value, leave);
      save.disabled = false;
      if (why) alert.replaceChildren(element("p", { class: "field__errors" }, why));
    });
    this.#form = form;
    shown.hidden = true;
    shown.after(form);
    area.focus();
  }

  /**
   * Returns why it was not saved; empty if it was.
   * @param {HTMLElement} item
   * @param {number} index
   * @param {string} typed
   * @param {() => void} leave
   */
  async #save(item, index, typed, leave) {
    const { root } = this.transcript;
    const body = JSON.stringify({ text: typed, etag: data(item, "etag") });
    const headers = { "Content-Type": "application/json" };
    const answer = await ask(`${data(root, "lines")}/${index}/`, { method: "POST", headers, body }).catch(() => null);
    if (!answer) return text("edit_failed");
    if (answer.status === 412) {
      /** @type {{error: {message: string}, now: Partial<Saved>}} */
      const { error, now } = await answer.json();
      if (now.etag) item.dataset.etag = now.etag; // whoever saves again has seen it
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
