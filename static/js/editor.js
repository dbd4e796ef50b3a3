// Correcting a segment in its place: the pencil, or E or F2 on its time. Enter saves, Escape leaves it as it was.
import { element } from "./element.js";
import { ask, signedOut } from "./page.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

const LONGEST = 5000;
const OPENS = new Set(["e", "E", "F2"]);

/** @import { Transcript } from "./transcript.js" */
/** @import { Mark } from "./words.js" */
/** @typedef {{text: string, words: Mark[], etag: string, revision: number}} Segment */
/** @typedef {{error?: {message?: string}}} Refusal */
/** @typedef {{error: {message: string}, now: Segment}} Conflict another one saved the segment first */
/**
 * @typedef {object} Editing the segment that is open
 * @property {HTMLElement} item
 * @property {HTMLElement} shown its text on the page, hidden meanwhile
 * @property {HTMLFormElement} form
 * @property {HTMLTextAreaElement} area
 * @property {HTMLElement} alert
 */

export class Editor {
  /** @type {Editing | null} */
  #editing = null;
  #saving = false;

  /**
   * @param {HTMLElement} root `data-segments` is the address of a segment, with a 0 for its index
   * @param {Transcript} transcript has the segments
   */
  constructor(root, transcript) {
    this.root = root;
    this.transcript = transcript;
    this.stop = new AbortController();
    const { signal } = this.stop;
    root.addEventListener(
      "click",
      (event) => {
        const item = closest(event, "[data-edit]") && closest(event, "[data-index]");
        if (item) this.open(item);
      },
      { signal },
    );
    root.addEventListener("keydown", (event) => this.#key(event), { signal });
    addEventListener(
      "beforeunload",
      (event) => {
        if (this.#changed) event.preventDefault();
      },
      { signal },
    );
  }

  close() {
    this.stop.abort();
  }

  /** @param {HTMLElement} item */
  open(item) {
    if (this.#editing?.item === item) return this.#editing.area.focus();
    if (this.#editing && this.#changed) {
      toast(text("edit_first"), { error: true });
      return this.#editing.area.focus();
    }
    this.#leave(false);
    const editing = this.#build(item);
    this.#editing = editing;
    editing.shown.hidden = true;
    editing.shown.after(editing.form);
    fit(editing.area);
    editing.area.focus();
  }

  get #changed() {
    return this.#editing !== null && this.#editing.area.value.trim() !== this.#editing.shown.textContent.trim();
  }

  /**
   * @param {HTMLElement} item
   * @returns {Editing}
   */
  #build(item) {
    const shown = find(item, ".segment__text", HTMLElement);
    const time = find(item, ".segment__time", HTMLElement).textContent;
    const area = element("textarea", { "aria-label": text("edit_label", { time }), maxlength: LONGEST, rows: 1 });
    area.value = shown.textContent.trim();
    const cancel = element("button", { type: "button", class: "button button--small" }, text("edit_cancel"));
    const save = element(
      "button",
      { type: "submit", class: "button button--small button--primary" },
      text("edit_save"),
    );
    const alert = element("div", { role: "alert", "data-conflict": true });
    const buttons = element("div", { class: "cluster" }, save, cancel);
    const form = element("form", { class: "segment__editor" }, area, alert, buttons);
    area.addEventListener("input", () => fit(area));
    cancel.addEventListener("click", () => this.#leave());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save(data(item, "etag"));
    });
    return { item, shown, form, area, alert };
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const item = closest(event, "button.segment__time") && closest(event, "[data-index]");
    if (item && OPENS.has(event.key)) {
      event.preventDefault();
      this.open(item);
    } else if (closest(event, ".segment__editor textarea") && event.key === "Enter") {
      event.preventDefault();
      this.#editing?.form.requestSubmit();
    } else if (closest(event, ".segment__editor") && event.key === "Escape") {
      event.preventDefault();
      this.#leave();
    }
  }

  /** @param {string} etag of the text that the person has seen */
  async #save(etag) {
    const editing = this.#editing;
    if (!editing || this.#saving) return;
    if (!this.#changed) return this.#leave();
    this.#saving = true;
    try {
      const answer = await this.#send(this.#address(editing.item), { text: editing.area.value, etag });
      if (answer.ok) this.#saved(editing, await answer.json());
      else if (answer.status === 401) refuse(editing, ...signedOut());
      else if (answer.status === 412) this.#conflict(editing, await answer.json());
      else refuse(editing, await messageOf(answer));
    } catch {
      refuse(editing, text("edit_failed"));
    } finally {
      this.#saving = false;
    }
  }

  /**
   * @param {Editing} editing
   * @param {Segment} segment
   */
  #saved(editing, segment) {
    this.#show(editing.item, segment);
    if (this.#editing === editing) this.#leave(); // another one may have been opened meanwhile
    const undo = () => this.#undo(editing.item, segment.revision);
    toast(text("edit_saved"), { action: { label: text("edit_undo"), run: undo } });
  }

  /**
   * @param {string} address
   * @param {object} body
   */
  #send(address, body) {
    return ask(address, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  /** @param {HTMLElement} item */
  #address(item) {
    return data(this.root, "segments").replace(/0\/$/, `${item.dataset.index}/`);
  }

  /**
   * @param {HTMLElement} item
   * @param {Segment} segment
   */
  #show(item, { text: now, words, etag, revision }) {
    find(item, ".segment__text", HTMLElement).textContent = now;
    item.dataset.etag = etag;
    if (words.length) item.dataset.words = JSON.stringify(words);
    else delete item.dataset.words;
    for (const said of item.querySelectorAll("[data-doubt], [data-doubt-words]")) said.remove();
    item.querySelector(".segment__time")?.removeAttribute("aria-describedby");
    this.transcript.renewed(item, revision);
  }

  /**
   * Nothing is lost: what was typed stays in the field, what stands there now is shown beside it.
   * @param {Editing} editing
   * @param {Conflict} conflict
   */
  #conflict(editing, { error, now }) {
    const theirs = element("button", { type: "button", class: "button button--small" }, text("edit_theirs"));
    const mine = element("button", { type: "button", class: "button button--small" }, text("edit_mine"));
    theirs.addEventListener("click", () => {
      this.#show(editing.item, now);
      this.#leave();
    });
    mine.addEventListener("click", () => this.#save(now.etag));
    const body = element(
      "div",
      { class: "notice__body" },
      element("p", { class: "notice__title" }, error.message),
      element("p", {}, text("edit_now"), " ", element("q", {}, now.text)),
      element("div", { class: "cluster" }, mine, theirs),
    );
    editing.alert.replaceChildren(element("div", { class: "notice notice--warn" }, body));
  }

  /**
   * @param {HTMLElement} item
   * @param {number} revision that the correction made
   */
  async #undo(item, revision) {
    try {
      const body = { revision: revision - 1, etag: String(revision) };
      const answer = await this.#send(data(this.root, "revert"), body);
      if (!answer.ok) return toast(await messageOf(answer), { error: true });
      const again = await ask(this.#address(item));
      if (!again.ok) return location.reload(); // undone, but what stands there now could not be read
      this.#show(item, await again.json());
      toast(text("edit_undone"));
    } catch {
      toast(text("edit_failed"), { error: true });
    }
  }

  #leave(focus = true) {
    if (!this.#editing) return;
    const { item, shown, form } = this.#editing;
    shown.hidden = false;
    form.remove();
    if (focus) find(item, "button.segment__time", HTMLButtonElement).focus();
    this.#editing = null;
  }
}

/** @param {HTMLTextAreaElement} area */
function fit(area) {
  area.style.height = "auto"; // by the object model: the policy forbids style attributes only
  area.style.height = `${area.scrollHeight + 2}px`;
}

/**
 * @param {Editing} editing
 * @param {(Node | string)[]} said
 */
function refuse(editing, ...said) {
  editing.alert.replaceChildren(element("p", { class: "field__errors" }, ...said));
}

/**
 * Returns why the server refused, in its own words where it said anything.
 * @param {Response} answer
 */
async function messageOf(answer) {
  /** @type {Refusal} */
  const refusal = await answer.json();
  return refusal.error?.message ?? text("edit_failed");
}
