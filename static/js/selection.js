// Recordings that are selected in the library, or all that match: what is done to them is done part by part, so that
// one sees how far it is, can stop it, and is told of those that it was refused for.
import { messageOf } from "./changes.js";
import { element } from "./element.js";
import { ask } from "./page.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

const AT_ONCE = 500; // ids of a request
const MOST_FAILURES = 100; // that are shown

/** @import { RecordingList } from "./recordinglist.js" */
/** @typedef {{name: string, reason: string}} Failure */
/** @typedef {{done: string[], failed: Failure[], cursor: string | null, before?: Record<string, string>}} Part */
/** @typedef {{count: number, minutes: number, left: number, without_audio: number}} Totals */
/** @typedef {{ids?: string[], filters?: Record<string, string>, until?: string}} Chosen */

export class Selection {
  /** @type {Set<string>} */
  #ids = new Set();
  #isAll = false;
  /** When all that match were selected: what comes later is left alone. */
  #until = "";
  #stopped = false;
  #isBusy = false;

  /** @param {RecordingList} list */
  constructor(list) {
    this.list = list;
    this.root = find(document, "[data-many]", HTMLElement);
    this.page = find(this.root, "[data-many-page]", HTMLInputElement);
    this.work = find(this.root, "[data-many-work]", HTMLElement);
    list.rows.addEventListener("change", (event) => this.#pick(event.target));
    this.page.addEventListener("change", () => this.#pickPage());
    this.root.addEventListener("click", (event) => this.#click(event));
    list.form.addEventListener("input", () => this.#clear());
    new MutationObserver(() => this.#show()).observe(list.rows, { childList: true });
    /** @type {NodeListOf<HTMLFormElement>} */
    const forms = document.querySelectorAll("[data-many-form]");
    for (const form of forms) form.addEventListener("submit", (event) => this.#submit(form, event));
    const download = find(document, "[data-many-export]", HTMLFormElement);
    download.addEventListener("submit", () => this.#download(download));
  }

  /** @returns {HTMLInputElement[]} */
  get #boxes() {
    return [...this.list.rows.querySelectorAll("input")].filter((box) => box.matches("[data-pick]"));
  }

  /** @returns {Chosen} */
  get #chosen() {
    return this.#isAll ? { filters: this.list.filters, until: this.#until } : { ids: [...this.#ids] };
  }

  get #total() {
    return this.#isAll ? this.list.total : this.#ids.size;
  }

  get #shownTotal() {
    return this.#isAll && this.list.andMore ? `${this.#total}+` : this.#total;
  }

  /** @param {EventTarget | null} box */
  #pick(box) {
    if (!(box instanceof HTMLInputElement) || !box.matches("[data-pick]")) return;
    this.#isAll = false;
    if (box.checked) this.#ids.add(box.value);
    else this.#ids.delete(box.value);
    this.#show();
  }

  #pickPage() {
    this.#isAll = false;
    for (const box of this.#boxes) {
      if (this.page.checked) this.#ids.add(box.value);
      else this.#ids.delete(box.value);
    }
    this.#show();
  }

  #clear() {
    this.#ids.clear();
    this.#isAll = false;
    this.#show();
  }

  /** Boxes that were drawn anew are ticked as before; what is not on the page is not selected. */
  #show() {
    const boxes = this.#boxes;
    const here = new Set(boxes.map((box) => box.value));
    for (const id of this.#ids) if (!here.has(id)) this.#ids.delete(id);
    for (const box of boxes) box.checked = this.#isAll || this.#ids.has(box.value);
    const ticked = boxes.filter((box) => box.checked).length;
    this.page.checked = ticked > 0 && ticked === boxes.length;
    this.page.indeterminate = ticked > 0 && ticked < boxes.length;
    find(this.root, "[data-many-chosen]", HTMLElement).hidden = this.#total === 0 || this.#isBusy;
    find(this.root, "[data-many-all]", HTMLElement).hidden = this.#isAll || this.list.total <= boxes.length;
    const selected = text("many_selected", { number: this.#shownTotal });
    find(this.root, "[data-many-say]", HTMLElement).textContent = selected;
    const number = document.querySelector("[data-many-number]");
    if (number) number.textContent = selected;
  }

  /** @param {MouseEvent} event */
  #click(event) {
    if (closest(event, "[data-many-all]")) {
      this.#isAll = true;
      this.#until = this.list.now;
      this.#show();
      this.page.focus();
    } else if (closest(event, "[data-many-none]")) {
      this.#clear();
      this.page.focus();
    } else if (closest(event, "[data-many-again]")) this.#tellCost();
    else if (closest(event, "[data-many-stop]")) this.#stopped = true;
  }

  async #tellCost() {
    const cost = find(document, "[data-many-cost]", HTMLElement);
    cost.textContent = "";
    this.#offerOptions();
    find(document, "#many-again", HTMLDialogElement).showModal();
    const answer = await this.#post(data(this.root, "count"), this.#chosen);
    if (!answer) return;
    /** @type {Totals} */
    const { count, minutes, left, without_audio } = await answer.json();
    cost.textContent = text("many_cost", { number: count - without_audio, minutes, left });
    if (without_audio) cost.textContent += ` ${text("many_without_audio", { number: without_audio })}`;
  }

  /** Puts those of a new transcription into the form, as they are before somebody chooses. */
  #offerOptions() {
    const place = find(document, "[data-many-options]", HTMLElement);
    if (place.childElementCount) return;
    const fields = document.querySelectorAll("[data-options] > :not([data-not-again])");
    place.append(...[...fields].map((field) => field.cloneNode(true)));
    for (const node of place.querySelectorAll("[id], [for], [aria-describedby]"))
      for (const name of ["id", "for", "aria-describedby"])
        if (node.hasAttribute(name)) node.setAttribute(name, `many_${node.getAttribute(name)}`);
    place.closest("form")?.reset();
  }

  /** @param {HTMLFormElement} form */
  #download(form) {
    find(form, "[name=selection]", HTMLInputElement).value = JSON.stringify(this.#chosen);
    form.closest("dialog")?.close();
  }

  /**
   * @param {HTMLFormElement} form
   * @param {SubmitEvent} event
   */
  #submit(form, event) {
    const action = event.submitter instanceof HTMLButtonElement ? event.submitter.value : data(form, "manyForm");
    const fields = Object.fromEntries(new FormData(form));
    if (event.submitter?.dataset.folder) fields.folder = event.submitter.dataset.folder;
    this.#run(action, action === "again" ? { options: fields } : fields);
  }

  /**
   * @param {string} action
   * @param {Record<string, unknown>} fields
   */
  async #run(action, fields) {
    const total = this.#isAll && this.list.andMore ? 0 : this.#total;
    const chosen = this.#chosen;
    /** @type {string[]} */
    const done = [];
    /** @type {Failure[]} */
    const failed = [];
    /** @type {Record<string, string>} */
    const before = {};
    this.#begin();
    let cursor = /** @type {string | null} */ (null);
    do {
      const answer = await this.#post(data(this.root, "act"), { action, ...chosen, ...fields, cursor });
      if (!answer) break;
      /** @type {Part} */
      const part = await answer.json();
      done.push(...part.done);
      failed.push(...part.failed);
      Object.assign(before, part.before);
      cursor = part.cursor;
      this.#progress(done.length + failed.length, total);
    } while (cursor && !this.#stopped);
    this.#end(action, done, failed, before);
  }

  /** @param {Record<string, string>} before the folder that each was in */
  async #moveBack(before) {
    const total = Object.keys(before).length;
    /** @type {Map<string, string[]>} */
    const groups = new Map();
    for (const [id, folder] of Object.entries(before)) groups.set(folder, [...(groups.get(folder) ?? []), id]);
    this.#begin();
    let back = 0;
    for (const [folder, ids] of groups)
      for (let from = 0; from < ids.length && !this.#stopped; from += AT_ONCE) {
        let cursor = /** @type {string | null} */ (null);
        do {
          const body = { action: "move", folder, ids: ids.slice(from, from + AT_ONCE), cursor };
          const answer = await this.#post(data(this.root, "act"), body);
          if (!answer) break;
          /** @type {Part} */
          const part = await answer.json();
          back += part.done.length;
          cursor = part.cursor;
          this.#progress(back, total);
        } while (cursor && !this.#stopped);
      }
    this.#work(false);
    toast(text("many_moved_back", { number: back, total }), { error: back < total });
    this.list.refresh();
  }

  /** @param {string[]} ids that were deleted */
  async #restore(ids) {
    const total = ids.length;
    this.#begin();
    let left = ids;
    let back = 0;
    while (left.length && !this.#stopped) {
      const answer = await this.#post(data(this.root, "act"), { action: "restore", ids: left.slice(0, AT_ONCE) });
      if (!answer) break;
      /** @type {Part} */
      const { done, failed } = await answer.json();
      left = left.slice(done.length + failed.length);
      back += done.length;
      this.#progress(total - left.length, total);
    }
    this.#work(false);
    toast(text("many_restored", { number: back, total }), { error: back < total });
    this.list.refresh();
  }

  #begin() {
    this.#stopped = false;
    this.#work(true);
    find(this.root, "[data-many-failed]", HTMLElement).hidden = true;
    this.#progress(0, 0);
  }

  /** Nothing else can be begun meanwhile. @param {boolean} isBusy */
  #work(isBusy) {
    this.#isBusy = isBusy;
    this.work.hidden = !isBusy;
    this.#show();
  }

  /**
   * @param {number} done
   * @param {number} total
   */
  #progress(done, total) {
    const bar = find(this.root, "[data-many-bar]", HTMLProgressElement);
    if (total) Object.assign(bar, { max: total, value: Math.min(done, total) });
    else bar.removeAttribute("value");
    find(this.root, "[data-many-progress]", HTMLElement).textContent = total
      ? `${done} / ${total}`
      : String(done || "");
  }

  /**
   * @param {string} action
   * @param {string[]} done
   * @param {Failure[]} failed
   * @param {Record<string, string>} before the folders that they were in, where they were moved
   */
  #end(action, done, failed, before) {
    this.#work(false);
    const details = find(this.root, "[data-many-failed]", HTMLDetailsElement);
    details.open = failed.length > 0;
    details.hidden = !details.open;
    find(details, "summary", HTMLElement).textContent = text("many_failed", { number: failed.length });
    const shown = failed.slice(0, MOST_FAILURES);
    find(details, "ul", HTMLElement).replaceChildren(
      ...shown.map(({ name, reason }) => element("li", {}, element("bdi", {}, name), ` – ${reason}`)),
    );
    const run = action === "move" ? () => void this.#moveBack(before) : () => void this.#restore(done);
    const leaves = action === "delete" || action === "move";
    const undo = leaves ? { action: { label: text("key_undo"), run } } : {};
    if (done.length) toast(text(`many_${action}`, { number: done.length }), undo);
    if (leaves) this.#clear();
    this.list.refresh();
    this.page.focus();
  }

  /**
   * The answer, or null after telling why there is none.
   * @param {string} address
   * @param {Record<string, unknown>} body
   */
  async #post(address, body) {
    const headers = { "Content-Type": "application/json" };
    const answer = await ask(address, { method: "POST", headers, body: JSON.stringify(body) }).catch(() => null);
    if (answer?.ok) return answer;
    toast(answer ? await messageOf(answer) : text("replace_failed"), { error: true });
    return null;
  }
}
