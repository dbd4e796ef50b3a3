// Find and replace: each hit is shown as it would be, ticked; what is ticked is replaced at once, as one revision.
import { messageOf } from "./changes.js";
import { element } from "./element.js";
import { clock } from "./format.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

const PAUSE = 250; // milliseconds without typing, until it is looked for

/** @import { Changes } from "./changes.js" */
/** @typedef {{segment: number, position: number, start: number, before: string, found: string, after: string}} Hit */
/** @typedef {{revision: number, total: number, hits: Hit[]}} Preview */

export class Replacer {
  #timer = 0;
  /** @type {Preview | null} */
  #preview = null;
  /** Counts the questions: an answer to an older one says nothing any more. */
  #asked = 0;

  /** @param {Changes} changes */
  constructor(changes) {
    this.changes = changes;
    this.dialog = find(document, "#replace", HTMLDialogElement);
    this.form = find(this.dialog, "form", HTMLFormElement);
    this.field = find(this.form, "[name=find]", HTMLInputElement);
    this.list = find(this.form, "[data-hits]", HTMLElement);
    this.head = find(this.form, "[data-hits-head]", HTMLElement);
    this.count = find(this.form, "[data-hits-count]", HTMLElement);
    this.button = find(this.form, "[data-replace-all]", HTMLButtonElement);
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.form.addEventListener("input", (event) => this.#input(event), { signal });
    this.form.addEventListener("click", (event) => this.#tickAll(closest(event, "[data-tick]")), { signal });
    this.form.addEventListener("submit", (event) => this.#save(event), { signal });
  }

  close() {
    this.stop.abort();
    clearTimeout(this.#timer);
  }

  /** @param {string} wanted what is looked for in the page already */
  open(wanted = "") {
    if (wanted) this.field.value = wanted;
    this.#refuse("");
    this.dialog.showModal();
    this.field.select();
    this.#look();
  }

  get #search() {
    const given = new FormData(this.form);
    return {
      find: String(given.get("find")),
      replacement: String(given.get("replacement")),
      match_case: given.has("match_case"),
      whole_words: given.has("whole_words"),
    };
  }

  get #boxes() {
    /** @type {NodeListOf<HTMLInputElement>} */
    const boxes = this.list.querySelectorAll("input");
    return [...boxes];
  }

  /** @param {Event} event */
  #input(event) {
    if (closest(event, "[data-hits]")) return this.#tell();
    if (closest(event, "[name=replacement]")) return this.#showReplacement();
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#look(), PAUSE);
  }

  async #look() {
    const asked = ++this.#asked;
    this.#preview = null;
    if (!this.field.value.trim()) return this.#draw();
    try {
      const answer = await this.changes.post(data(this.form, "preview"), this.#search);
      if (asked !== this.#asked) return;
      if (answer.ok) this.#preview = await answer.json();
      this.#refuse(answer.ok ? "" : await messageOf(answer, "replace_failed"));
    } catch {
      this.#refuse(text("replace_failed"));
    }
    if (asked === this.#asked) this.#draw();
  }

  #draw() {
    const replacement = this.#search.replacement;
    const hits = this.#preview?.hits ?? [];
    this.list.replaceChildren(...hits.map((hit) => line(hit, replacement)));
    this.#tell();
  }

  #showReplacement() {
    const { replacement } = this.#search;
    for (const shown of this.list.querySelectorAll("ins")) shown.textContent = replacement;
  }

  #tell() {
    const total = this.#preview?.total ?? 0;
    const boxes = this.#boxes;
    const chosen = total - boxes.filter((box) => !box.checked).length;
    this.head.hidden = this.#preview === null;
    this.count.textContent =
      total > boxes.length
        ? text("replace_more", { chosen, total, shown: boxes.length })
        : text(total ? "replace_count" : "found_none", { chosen, total });
    this.button.disabled = chosen === 0;
  }

  /** @param {HTMLElement | null} button */
  #tickAll(button) {
    if (!button) return;
    for (const box of this.#boxes) box.checked = data(button, "tick") === "all";
    this.#tell();
  }

  /** @param {SubmitEvent} event */
  async #save(event) {
    event.preventDefault();
    const preview = this.#preview;
    if (!preview || this.button.disabled) return;
    const skip = this.#boxes.flatMap((box, at) => {
      const hit = preview.hits[at];
      return box.checked || !hit ? [] : [[hit.segment, hit.position]];
    });
    try {
      const body = { ...this.#search, skip, etag: String(preview.revision) };
      const answer = await this.changes.post(data(this.form, "address"), body);
      if (!answer.ok) {
        const said = await messageOf(answer, "replace_failed");
        if (answer.status === 412) {
          await this.changes.renew();
          await this.#look();
        }
        return this.#refuse(said);
      }
      await this.changes.made(await answer.json());
      this.dialog.close();
      const number = preview.total - skip.length;
      const undo = () => this.changes.undo();
      toast(text("replaced", { number }), { action: { label: text("edit_undo"), run: undo } });
    } catch {
      this.#refuse(text("replace_failed"));
    }
  }

  /** @param {string} said */
  #refuse(said) {
    const alert = find(this.form, "[data-replace-error]", HTMLElement);
    alert.hidden = said === "";
    alert.textContent = said;
  }
}

/**
 * @param {Hit} hit
 * @param {string} replacement
 */
function line({ start, before, found, after }, replacement) {
  const box = element("input", { type: "checkbox", checked: true });
  const shown = element("span", {}, before, element("del", {}, found), element("ins", {}, replacement), after);
  const time = element("span", { class: "clock faint" }, clock(start));
  return element("li", {}, element("label", { class: "replace__hit" }, box, time, shown));
}
