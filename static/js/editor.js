// Correcting a segment in its place: the pencil, or E or F2 on its time. Enter saves, Escape leaves it as it was.
import { element } from "./element.js";
import { ask, signedOut } from "./page.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

const LONGEST = 5000;
const OPENS = new Set(["e", "E", "F2"]);

export class Editor {
  #item = null;
  #form = null;
  #saving = false;

  /** `transcript` has the segments; `root.dataset.segments` is the address of one, with a 0 for its index. */
  constructor(root, transcript) {
    this.root = root;
    this.transcript = transcript;
    this.stop = new AbortController();
    const { signal } = this.stop;
    root.addEventListener(
      "click",
      (event) => {
        const pencil = event.target.closest("[data-edit]");
        if (pencil) this.open(pencil.closest("[data-start]"));
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

  open(item) {
    if (this.#item === item) return this.#area.focus();
    if (this.#changed) {
      toast(text("edit_first"), { error: true });
      return this.#area.focus();
    }
    this.#leave(false);
    this.#item = item;
    this.#form = this.#build(item);
    this.#shown.hidden = true;
    this.#shown.after(this.#form);
    this.#fit();
    this.#area.focus();
  }

  get #shown() {
    return this.#item.querySelector(".segment__text");
  }

  get #area() {
    return this.#form.querySelector("textarea");
  }

  get #changed() {
    return this.#form !== null && this.#area.value.trim() !== this.#shown.textContent.trim();
  }

  #build(item) {
    const area = element("textarea", {
      "aria-label": text("edit_label", { time: item.querySelector(".segment__time").textContent }),
      maxlength: LONGEST,
      rows: 1,
    });
    area.value = item.querySelector(".segment__text").textContent.trim();
    const cancel = element("button", { type: "button", class: "button button--small" }, text("edit_cancel"));
    const save = element(
      "button",
      { type: "submit", class: "button button--small button--primary" },
      text("edit_save"),
    );
    const form = element(
      "form",
      { class: "segment__editor" },
      area,
      element("div", { role: "alert", "data-conflict": true }),
      element("div", { class: "cluster" }, save, cancel),
    );
    area.addEventListener("input", () => this.#fit());
    cancel.addEventListener("click", () => this.#leave());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#save(this.#item.dataset.etag);
    });
    return form;
  }

  #fit() {
    this.#area.style.height = "auto"; // by the object model: the policy forbids style attributes only
    this.#area.style.height = `${this.#area.scrollHeight + 2}px`;
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const time = event.target.closest("button.segment__time");
    if (time && OPENS.has(event.key)) {
      event.preventDefault();
      this.open(time.closest("[data-start]"));
    } else if (event.target.matches(".segment__editor textarea") && event.key === "Enter") {
      event.preventDefault();
      this.#form.requestSubmit();
    } else if (event.target.closest(".segment__editor") && event.key === "Escape") {
      event.preventDefault();
      this.#leave();
    }
  }

  async #save(etag) {
    if (this.#saving) return;
    if (!this.#changed) return this.#leave();
    this.#saving = true;
    const item = this.#item;
    try {
      const answer = await this.#send(this.#address(item), { text: this.#area.value, etag });
      if (answer.status === 401) return this.#refuse(...signedOut());
      const body = await answer.json();
      if (answer.ok) {
        this.#show(item, body);
        this.#leave();
        toast(text("edit_saved"), { action: { label: text("edit_undo"), run: () => this.#undo(item, body.revision) } });
      } else if (answer.status === 412) this.#conflict(body);
      else this.#refuse(body.error?.message ?? text("edit_failed"));
    } catch {
      this.#refuse(text("edit_failed"));
    } finally {
      this.#saving = false;
    }
  }

  #send(address, body) {
    return ask(address, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  #address(item) {
    return this.root.dataset.segments.replace(/0\/$/, `${item.dataset.index}/`);
  }

  #show(item, { text: now, words, etag }) {
    item.querySelector(".segment__text").textContent = now;
    item.dataset.etag = etag;
    if (words.length) item.dataset.words = JSON.stringify(words);
    else delete item.dataset.words;
    this.transcript.renewed(item);
  }

  #refuse(...said) {
    this.#form?.querySelector("[data-conflict]").replaceChildren(element("p", { class: "field__errors" }, ...said));
  }

  /** Nothing is lost: what was typed stays in the field, what stands there now is shown beside it. */
  #conflict({ error, now }) {
    const theirs = element("button", { type: "button", class: "button button--small" }, text("edit_theirs"));
    const mine = element("button", { type: "button", class: "button button--small" }, text("edit_mine"));
    theirs.addEventListener("click", () => {
      this.#show(this.#item, now);
      this.#leave();
    });
    mine.addEventListener("click", () => this.#save(now.etag));
    const notice = element(
      "div",
      { class: "notice notice--warn" },
      element(
        "div",
        { class: "notice__body" },
        element("p", { class: "notice__title" }, error.message),
        element("p", {}, text("edit_now"), " ", element("q", {}, now.text)),
        element("div", { class: "cluster" }, mine, theirs),
      ),
    );
    this.#form.querySelector("[data-conflict]").replaceChildren(notice);
  }

  async #undo(item, revision) {
    try {
      const answer = await this.#send(this.root.dataset.revert, { revision: revision - 1, etag: String(revision) });
      if (!answer.ok) return toast((await answer.json()).error?.message ?? text("edit_failed"), { error: true });
      const again = await ask(this.#address(item));
      this.#show(item, await again.json());
      toast(text("edit_undone"));
    } catch {
      toast(text("edit_failed"), { error: true });
    }
  }

  #leave(focus = true) {
    if (!this.#form) return;
    this.#shown.hidden = false;
    this.#form.remove();
    if (focus) this.#item.querySelector("button.segment__time")?.focus();
    this.#form = this.#item = null;
  }
}
