// Comments and highlights beside a transcript. The list is drawn by the server; where passages are is marked in the text
// by CSS highlights, each colour with a line of its own kind, and by a button at the line.
import { messageOf } from "./changes.js";
import { chosenOf } from "./chosen.js";
import { element } from "./element.js";
import { clock } from "./format.js";
import { icon } from "./icon.js";
import { localise } from "./localtime.js";
import { ask } from "./page.js";
import { PeopleMenu } from "./peoplemenu.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";
import { rangeOf } from "./textrange.js";
import { toast } from "./toast.js";

const COLOURS = 4;
const SURE = 4000; // milliseconds in which a second click deletes
const SETTLE = 300; // in which what others say is gathered

/** @import { Player } from "./player.js" */
/** @import { Line } from "./lines.js" */
/** @import { Transcript } from "./transcript.js" */
/** @import { Mark } from "./words.js" */
/** @typedef {{id: string, start: number, end: number, colour: number, open: boolean}} Passage */
/** @typedef {{html: string, marks: Passage[], people: [address: string, name: string][], state?: string}} Listed */

export class Comments {
  /** @type {Passage[]} */
  #passages = [];
  #state = "open";
  #hash = location.hash;
  /** The items of the list, by their ids, as the server wrote them. @type {Map<string, string>} */
  #written = new Map();
  /** Counts what was asked, so that an older answer doesn't take the place of a newer one. */
  #asked = 0;
  #taken = 0;
  #sending = false;
  #loading = 0;
  /** Of the list that is shown, on the page of a share link. @type {string | undefined} */
  state;
  /** What the form is for: where it is sent, and what beside the text. @type {{address: string, body: object}} */
  #target = { address: "", body: {} };

  /**
   * @param {HTMLElement} root
   * @param {Transcript} transcript
   * @param {Player | null} player
   */
  constructor(root, transcript, player) {
    this.root = root;
    this.transcript = transcript;
    this.player = player;
    this.address = data(root, "address");
    this.list = find(root, "[data-comments-list]", HTMLElement);
    this.count = find(root, "[data-comments-count]", HTMLElement);
    /** @type {HTMLFormElement | null} null for who may not comment */
    this.form = root.querySelector("[data-comment-new]") ? find(root, "[data-comment-form]", HTMLFormElement) : null;
    this.area = find(root, "textarea", HTMLTextAreaElement);
    this.people = new PeopleMenu(this.area, find(root, "[role=listbox]", HTMLElement));
    this.stop = new AbortController();
    const { signal } = this.stop;
    root.addEventListener("click", (event) => this.#click(event), { signal });
    root.addEventListener(
      "mousedown",
      (event) => {
        if (closest(event, "[data-comment-new], [data-highlight]")) event.preventDefault(); // the selection stays
      },
      { signal },
    );
    this.form?.addEventListener("submit", (event) => this.#submit(event), { signal });
    this.area.addEventListener("keydown", (event) => this.#key(event), { signal });
    for (const name of ["changed", "more", "drawn"])
      transcript.root.addEventListener(name, () => this.#mark(), { signal });
    this.load();
  }

  close() {
    this.stop.abort();
    clearTimeout(this.#loading);
    for (let colour = 0; colour < COLOURS; colour += 1) CSS.highlights?.delete(`note-${colour}`);
  }

  async load() {
    this.#asked += 1;
    const turn = this.#asked;
    const answer = await ask(this.address).catch(() => null);
    if (answer?.ok) this.#take(await answer.json(), turn);
  }

  /** Loads the list when others are done for a moment. */
  loadSoon() {
    clearTimeout(this.#loading);
    this.#loading = setTimeout(() => this.load(), SETTLE);
  }

  /**
   * @param {Listed} listed
   * @param {number} turn when it was asked for
   */
  #take(listed, turn) {
    if (turn < this.#taken || this.stop.signal.aborted) return;
    this.#taken = turn;
    this.#show(listed);
  }

  /** Opens the form for a comment on what is chosen. */
  begin() {
    const chosen = this.#chosen;
    if (!chosen) return void toast(text("comment_nothing"), { error: true });
    const at = "start" in chosen ? chosen.start : Number(this.transcript.segments[chosen.first]?.start);
    this.#open(this.address, chosen, text("comment_on", { time: clock(at) }), "");
  }

  get #chosen() {
    const chosen = chosenOf(this.transcript);
    return chosen && { ...chosen, transcription: "start" in chosen ? undefined : data(this.root, "textOf") };
  }

  /**
   * @param {string} address
   * @param {object} body
   * @param {string} label
   * @param {string} written
   */
  #open(address, body, label, written) {
    if (!this.form) return;
    this.#target = { address, body };
    find(this.form, "[data-comment-label]", HTMLElement).textContent = label;
    this.area.value = written;
    this.#refuse("");
    this.form.hidden = false;
    this.area.focus();
  }

  #leave() {
    if (!this.form) return;
    this.form.hidden = true;
    this.people.close();
    this.root.querySelector("button")?.focus();
  }

  /** @param {string} why */
  #refuse(why) {
    const error = find(this.root, "[data-comment-error]", HTMLElement);
    error.textContent = why;
    error.hidden = !why;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing || this.people.key(event)) return;
    if (event.key === "Escape") this.#leave();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.form?.requestSubmit();
    else return;
    event.preventDefault();
  }

  /** @param {SubmitEvent} event */
  async #submit(event) {
    event.preventDefault();
    if (this.#sending) return; // it would be said twice
    this.#sending = true;
    const { address, body } = this.#target;
    const why = await this.#post(address, { ...body, text: this.area.value });
    this.#sending = false;
    if (why !== null) return this.#refuse(why);
    this.#leave();
    toast(text("comment_saved"));
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const within = closest(event, "[data-comment]");
    const address = within ? `${this.address}${within.dataset.comment}/` : "";
    /** @type {HTMLElement | null} */
    const thread = within?.closest("li[data-comment]") ?? null;
    if (closest(event, "[data-comment-new]")) this.begin();
    else if (closest(event, "[data-comment-cancel]")) this.#leave();
    else if (closest(event, "[data-highlight]"))
      this.#highlight(Number(closest(event, "[data-highlight]")?.dataset.highlight));
    else if (closest(event, "[data-comments-state]"))
      this.#filter(closest(event, "[data-comments-state]")?.dataset.commentsState ?? "open");
    else if (thread && closest(event, "[data-comment-go]")) this.#go(thread.dataset.comment ?? "");
    else if (thread && closest(event, "[data-comment-reply]"))
      this.#open(this.address, { parent: thread.dataset.comment }, text("comment_reply"), "");
    else if (within && closest(event, "[data-comment-edit]")) {
      const written = find(within, "[data-comment-text]", HTMLElement).dataset.commentText ?? "";
      this.#open(address, { do: "change" }, text("comment_edit"), written);
    } else {
      const button = closest(event, "[data-comment-do]");
      if (button) this.#do(address, button);
    }
  }

  /**
   * @param {string} address
   * @param {HTMLElement} button
   */
  async #do(address, button) {
    const what = data(button, "commentDo");
    if (what === "delete" && button.dataset.sure === undefined) {
      const label = button.textContent;
      button.dataset.sure = "";
      button.textContent = text("comment_sure");
      setTimeout(() => {
        delete button.dataset.sure;
        button.textContent = label;
      }, SURE);
      return;
    }
    const why = await this.#post(address, { do: what });
    toast(why ?? text(what === "delete" ? "comment_deleted" : "comment_saved"), { error: why !== null });
  }

  /** @param {number} colour */
  async #highlight(colour) {
    const chosen = this.#chosen;
    if (!chosen) return void toast(text("comment_nothing"), { error: true });
    const why = await this.#post(this.address, { ...chosen, colour });
    if (why !== null) return void toast(why, { error: true });
    getSelection()?.removeAllRanges();
  }

  /**
   * Sends a change, and shows what the list is then. Returns why it was refused, or null.
   * @param {string} address
   * @param {object} body
   */
  async #post(address, body) {
    const headers = { "Content-Type": "application/json" };
    this.#asked += 1;
    const turn = this.#asked;
    const answer = await ask(address, { method: "POST", headers, body: JSON.stringify(body) }).catch(() => null);
    if (!answer?.ok) return answer ? await messageOf(answer, "comment_failed") : text("comment_failed");
    this.#take(await answer.json(), turn);
    return null;
  }

  /** @param {Listed} listed */
  #show({ html, marks, people, state }) {
    this.state = state;
    const fresh = new DOMParser().parseFromString(html, "text/html").body;
    this.#renew([...fresh.children]);
    this.#passages = marks;
    this.people.people = people;
    const open = marks.filter((one) => one.open).length;
    const counted = text("comments_count", { open, resolved: marks.length - open });
    this.count.textContent = marks.length ? counted : text("comments_none");
    this.#filter(this.#state);
    if (this.#hash.startsWith("#comment-")) this.#arrive(this.#hash.slice("#comment-".length));
    this.#hash = "";
  }

  /** Puts new items into the list. What is as it was stays, with its focus and what is asked there.
   * @param {Element[]} items
   */
  #renew(items) {
    const written = new Map(items.map((item) => [item.id, item.outerHTML]));
    for (const old of [...this.list.children]) if (!written.has(old.id)) old.remove();
    const active = document.activeElement;
    for (const [place, item] of items.entries()) {
      const old = document.getElementById(item.id);
      if (old && this.#written.get(item.id) === written.get(item.id)) {
        if (this.list.children[place] !== old) this.list.insertBefore(old, this.list.children[place] ?? null);
        continue;
      }
      localise(item);
      const twin = active instanceof HTMLElement && old?.contains(active) ? twinOf(active, item) : null;
      if (old) old.remove();
      this.list.insertBefore(item, this.list.children[place] ?? null);
      twin?.focus({ preventScroll: true });
    }
    this.#written = written;
  }

  /** Goes to the comment that the address of the page names, as mails do. @param {string} id */
  #arrive(id) {
    const comment = document.getElementById(`comment-${id}`);
    /** @type {HTMLElement | null} */
    const thread = comment?.closest("li[data-comment]") ?? null;
    if (!thread) return;
    if (thread.classList.contains("comment--resolved")) this.#filter("resolved");
    this.transcript.loaded.then(() => this.#go(thread.dataset.comment ?? ""));
    thread.classList.add("is-here");
  }

  /** @param {string} state */
  #filter(state) {
    this.#state = state;
    /** @type {NodeListOf<HTMLElement>} */
    const buttons = this.root.querySelectorAll("[data-comments-state]");
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.commentsState === state));
    const shown = new Set(this.#shown.map((one) => one.id));
    for (const item of this.list.children)
      if (item instanceof HTMLElement) item.hidden = !shown.has(item.dataset.comment ?? "");
    this.#mark();
  }

  get #shown() {
    return this.#passages.filter((one) => one.open === (this.#state === "open"));
  }

  /** Goes to the passage of a comment. @param {string} id */
  #go(id) {
    const passage = this.#passages.find((one) => one.id === id);
    const line = passage && this.#linesOf(passage)[0];
    const item = line && this.transcript.element(line);
    if (!item) return;
    find(item, "button", HTMLButtonElement).focus({ preventScroll: true });
    item.scrollIntoView({ block: "center" });
    this.player?.seek(passage.start);
  }

  /** The lines that a passage lies in. @param {Passage} passage */
  #linesOf({ start, end }) {
    const { lines, starts } = this.transcript;
    const last = starts.findLastIndex((one) => one < end);
    /** @type {Line[]} */
    const found = [];
    for (let place = last; place >= 0 && found.length < COLOURS * 100; place -= 1) {
      const line = lines[place];
      if (line && line.end > start && line.index !== null) found.unshift(line);
      else if (line && line.start < start) break;
    }
    return found;
  }

  /** Marks the passages in the text, and the lines that have comments. */
  #mark() {
    for (const old of this.transcript.root.querySelectorAll("[data-notes]")) old.remove();
    /** @type {Range[][]} */
    const ranges = Array.from({ length: COLOURS }, () => []);
    /** @type {Map<HTMLElement, Passage[]>} */
    const firsts = new Map();
    for (const passage of this.#shown) {
      const lines = this.#linesOf(passage);
      for (const { element: item } of lines) if (item) ranges[passage.colour]?.push(wordsOf(item, passage));
      const first = lines[0]?.element;
      if (first) firsts.set(first, [...(firsts.get(first) ?? []), passage]);
    }
    for (const [colour, found] of ranges.entries()) CSS.highlights?.set(`note-${colour}`, new Highlight(...found));
    for (const [item, passages] of firsts) item.append(this.#button(passages));
  }

  /** @param {Passage[]} passages that begin in a line */
  #button(passages) {
    const label = text("comments_here", { number: passages.length });
    const button = element(
      "button",
      {
        type: "button",
        class: "button button--quiet button--small segment__notes",
        "data-notes": true,
        tabindex: -1,
        title: label,
        "aria-label": label,
      },
      icon("message-square", "icon--s"),
      String(passages.length),
    );
    button.addEventListener("click", (event) => {
      event.stopPropagation(); // a click on a line plays it
      const first = document.getElementById(`comment-${passages[0]?.id}`);
      for (const one of this.list.querySelectorAll(".is-here")) one.classList.remove("is-here");
      first?.classList.add("is-here");
      first?.focus();
    });
    return button;
  }
}

/**
 * Returns the words of a line that a passage has; all of them where they were not timed.
 * @param {HTMLElement} item
 * @param {Passage} passage
 */
function wordsOf(item, { start, end }) {
  const shown = find(item, ".segment__text", HTMLElement);
  /** @type {Mark[]} */
  const marks = JSON.parse(item.dataset.words ?? "[]");
  const within = marks.filter(([, , from, to]) => Math.min(to, end) - Math.max(from, start) > 0.0005);
  const [first, last] = [within[0], within.at(-1)];
  return rangeOf(shown, first?.[0] ?? 0, last?.[1] ?? shown.textContent.length);
}

/**
 * Returns what takes the place of an element in a new item.
 * @param {HTMLElement} active
 * @param {Element} item
 * @returns {HTMLElement | null}
 */
function twinOf(active, item) {
  if (!(item instanceof HTMLElement) || !(active instanceof HTMLButtonElement))
    return item instanceof HTMLElement ? item : null;
  /** @param {HTMLElement} one */
  const keyOf = (one) => {
    const { sure: _sure, ...rest } = one.dataset;
    /** @type {HTMLElement | null} */
    const comment = one.closest("[data-comment]");
    return JSON.stringify([comment?.dataset.comment, rest]);
  };
  return [...item.querySelectorAll("button")].find((one) => keyOf(one) === keyOf(active)) ?? item;
}
