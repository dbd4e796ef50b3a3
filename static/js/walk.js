// Proofreading: goes from passage to passage, those first that are most likely wrong, with one key for each answer. Tab
// plays the passage with a second before it, Enter accepts it or saves what was typed, F8 skips it, Escape stops.
import { messageOf } from "./changes.js";
import { element } from "./element.js";
import { clock, number } from "./format.js";
import { ask, signedOut } from "./page.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";
import { rangeOf } from "./textrange.js";
import { toast } from "./toast.js";

const BEFORE = 1; // seconds that are played before a passage
const AFTER = 0.3;

/** @import { Change, Changes } from "./changes.js" */
/** @import { Player } from "./player.js" */
/** @import { Rehearing } from "./rehear.js" */
/**
 * @typedef {object} Passage `index` is null for speech without text; `from` and `to` are places in `text`
 * @property {number | null} index
 * @property {string} text
 * @property {string} etag
 * @property {number} first
 * @property {number} last
 * @property {number} from
 * @property {number} to
 * @property {number} start
 * @property {number} end
 * @property {string} why
 * @property {boolean} is_suspicious
 */
/** @typedef {{percent: number, sentence: string, account: string[]}} Checked */
/** @typedef {{wrong: string, right: string, label: string, places: {at: number, before: string, after: string}[]}} Alike */
/** @typedef {{wrong: string, right: string, label: string, of_folder: boolean}} Offer a term that a correction may become */
/** @typedef {{etag: string, checked: Checked, change?: Change, alike?: Alike | null, terms?: Offer[], term?: string, is_new?: boolean}} Answer */
/** @typedef {{passages: Passage[], total: number, suspicious: number, etag: string, checked: Checked}} Queue */
/** @typedef {{passage: Passage, body: Record<string, unknown> | null}} Done a step; `body` undoes it, unless it is a change */

export class Walk {
  /** @type {Passage[]} */
  #queue = [];
  #place = 0;
  #suspicious = 0;
  #total = 0;
  #etag = "";
  #busy = false;
  #pastDoubts = false;
  /** @type {Done[]} */
  #done = [];
  /** @type {Alike | null} */
  #alike = null;
  /** @type {Offer[]} */
  #terms = [];
  /** @type {Checked | null} what was told last */
  #checked = null;
  /** @type {Checked | null} */
  #checkedMeanwhile = null;
  /** @type {Set<string>} */
  #skipped = new Set();
  /** @type {Passage | null} */
  #marked = null;

  /**
   * @param {HTMLElement} root
   * @param {Changes} changes
   * @param {Player | null} player
   * @param {Rehearing | null} rehearing
   */
  constructor(root, changes, player, rehearing) {
    this.root = root;
    this.changes = changes;
    this.lines = changes.root;
    this.player = player;
    this.rehearing = rehearing;
    this.area = find(root, "[data-walk-text]", HTMLTextAreaElement);
    this.opener = find(document, "[data-walk-start]", HTMLButtonElement);
    this.stop = new AbortController();
    const { signal } = this.stop;
    /** @type {Record<string, () => void>} */
    const buttons = {
      close: () => this.leave(),
      play: () => this.play(),
      right: () => this.#accept(),
      skip: () => this.#skip(),
      hear: () => this.#hear(),
      undo: () => this.#undo(),
      on: () => this.#goOn(),
      fix: () => this.#fixAll(),
      leave: () => this.#offer(null, this.#terms),
      forgo: () => this.#offer(this.#alike),
    };
    for (const [name, run] of Object.entries(buttons))
      for (const button of root.querySelectorAll(`[data-walk-${name}]`))
        button.addEventListener("click", run, { signal });
    this.area.addEventListener("input", () => this.#changed(), { signal });
    document.addEventListener("keydown", (event) => this.#key(event), { signal, capture: true });
    addEventListener(
      "beforeunload",
      (event) => {
        if (!this.root.hidden && this.#isTyped) event.preventDefault();
      },
      { signal },
    );
    this.lines.addEventListener("changed", () => this.#changedElsewhere(), { signal });
    this.lines.addEventListener("drawn", () => this.#marked && this.#paint(this.#marked), { signal });
  }

  close() {
    this.stop.abort();
    this.#mark(null);
  }

  async start() {
    if (this.opener.disabled) return;
    this.opener.disabled = true;
    this.#skipped.clear();
    this.#done = [];
    this.#offer(null);
    if (await this.#load()) {
      this.root.hidden = false;
      document.documentElement.classList.add("is-walking");
      this.#pastDoubts = this.#suspicious === 0;
      this.#show();
    }
    this.opener.disabled = false;
  }

  leave() {
    this.root.hidden = true;
    this.player?.audio.pause();
    this.#mark(null);
    document.documentElement.classList.remove("is-walking");
    this.opener.focus();
  }

  play() {
    const passage = this.#passage;
    if (!passage || !this.player) return;
    this.player.playRange(Math.max(0, passage.start - BEFORE), passage.end + AFTER);
  }

  get #passage() {
    return this.#queue[this.#place] ?? null;
  }

  get #isTyped() {
    return this.#passage !== null && this.area.value.trim() !== this.#passage.text;
  }

  async #load() {
    const queue = await this.#ask();
    if (!queue) return false;
    this.#queue = queue.passages.filter((passage) => !this.#skipped.has(key(passage)));
    this.#place = 0;
    this.#etag = queue.etag;
    this.#suspicious = queue.suspicious;
    this.#total = queue.total;
    this.#tell(queue.checked);
    return true;
  }

  /** @returns {Promise<Queue | null>} */
  async #ask() {
    try {
      const answer = await ask(data(this.root, "address"));
      if (answer.ok) return await answer.json();
    } catch {
      /* told below */
    }
    toast(text("walk_failed"), { error: true });
    return null;
  }

  #show() {
    const passage = this.#passage;
    if (!passage || (!passage.is_suspicious && !this.#pastDoubts)) return this.#end(passage !== null);
    this.#part("passage");
    this.#said();
    const gap = passage.index === null;
    find(this.root, "[data-walk-place]", HTMLElement).textContent = text("walk_place", {
      number: number(this.#done.length + this.#skipped.size + 1),
      total: number(this.#done.length + this.#skipped.size + this.#left),
      time: clock(passage.start),
    });
    find(this.root, "[data-walk-why]", HTMLElement).textContent = passage.why;
    this.area.value = passage.text;
    this.area.placeholder = gap ? text("walk_gap") : "";
    this.#changed();
    this.#mark(passage);
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(passage.from ?? 0, passage.to ?? 0);
    this.play();
  }

  /** How many passages are left of those that are gone through now. */
  get #left() {
    const ahead = this.#queue.slice(this.#place);
    if (this.#pastDoubts) return Math.max(ahead.length, this.#total - this.#place);
    return ahead.filter((passage) => passage.is_suspicious).length;
  }

  /** @param {boolean} more whether passages are left that nobody doubts */
  #end(more) {
    this.#mark(null);
    this.#part("end");
    const on = find(this.root, "[data-walk-on]", HTMLButtonElement);
    const skipped = this.#skipped.size;
    on.hidden = !more && !skipped;
    const title = find(this.root, "[data-walk-end-title]", HTMLElement);
    title.textContent = text(more ? "walk_doubts_done" : skipped ? "walk_skipped_left" : "walk_done", {
      number: number(skipped),
    });
    find(this.root, "[data-walk-on-label]", HTMLElement).textContent = more
      ? text("walk_rest", { number: number(Math.max(0, this.#total - this.#place)) })
      : text("walk_skipped", { number: number(skipped) });
    title.focus();
  }

  async #goOn() {
    if (this.#passage) this.#pastDoubts = true;
    else this.#skipped.clear();
    if (this.#passage || (await this.#load())) this.#show();
  }

  /** @param {"passage" | "end"} part */
  #part(part) {
    for (const name of ["passage", "end"]) find(this.root, `[data-walk-${name}]`, HTMLElement).hidden = name !== part;
    if (part === "end") find(this.root, "[data-walk-place]", HTMLElement).textContent = "";
    find(this.root, "[data-walk-undo]", HTMLButtonElement).disabled = this.#done.length === 0;
  }

  #changed() {
    this.area.style.height = "auto"; // by the object model: the policy forbids style attributes only
    this.area.style.height = `${this.area.scrollHeight + 2}px`;
    const label = this.#isTyped ? "walk_save" : this.#passage?.index === null ? "walk_nothing" : "walk_right";
    find(this.root, "[data-walk-right-label]", HTMLElement).textContent = text(label);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (this.root.hidden || event.isComposing || closest(event, "dialog")) return;
    const typing = event.target === this.area;
    const inside = event.target instanceof Node && this.root.contains(event.target);
    const isUndo = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey;
    if (isUndo && inside && !this.#isTyped) this.#take(event, () => this.#undo());
    else if (isUndo && typing) event.stopPropagation(); // the field's own
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && inside) this.#take(event, () => this.leave());
    else if (event.key === "F8" && !event.shiftKey && this.#passage) this.#take(event, () => this.#skip());
    else if (event.key === "F2" && inside && this.#passage) this.#take(event, () => this.#hear());
    else if (event.key === "Tab" && !event.shiftKey && typing && this.player) this.#take(event, () => this.play());
    else if (event.key === "Enter" && !event.shiftKey && typing) this.#take(event, () => this.#accept());
  }

  /**
   * @param {KeyboardEvent} event
   * @param {() => void} run
   */
  #take(event, run) {
    event.preventDefault();
    event.stopPropagation();
    run();
  }

  #skip() {
    const passage = this.#passage;
    if (!passage || this.#busy) return;
    this.#skipped.add(key(passage));
    this.#next();
  }

  /** Hears the passage's line again; what is taken is a step. */
  #hear() {
    const passage = this.#passage;
    if (!passage || !this.rehearing || this.#busy) return;
    if (this.#isTyped) return this.#said(text("walk_typed"));
    const { index, start, end } = passage;
    this.player?.audio.pause();
    this.rehearing.open(index === null ? { start, end } : { first: index, last: index }, async (change) => {
      this.#busy = true;
      await this.changes.made(change);
      this.#busy = false;
      this.#done.push({ passage, body: null });
      toast(text("rehear_taken"), { action: { label: text("edit_undo"), run: () => this.#undo() } });
      await this.#again();
    });
  }

  async #next() {
    this.#place += 1;
    const fetched = this.#queue.length > 0 && this.#place >= this.#queue.length && this.#total > this.#queue.length;
    if (fetched) await this.#load();
    this.#show();
  }

  async #accept() {
    const passage = this.#passage;
    if (!passage || this.#busy) return;
    const typed = this.area.value.trim();
    if (passage.index === null) return this.#acceptGap(passage, typed);
    if (!this.#isTyped) {
      const { index, first, last, etag } = passage;
      const body = { do: "check", index, first, last, etag };
      if (await this.#send(body)) this.#step({ passage, body: { ...body, do: "uncheck" } });
      return;
    }
    const answer = await this.#send({ do: "correct", index: passage.index, text: typed, etag: passage.etag });
    if (!answer) return;
    this.#queue = this.#queue.filter((other, at) => at <= this.#place || other.index !== passage.index);
    this.#offer(answer.alike ?? null, answer.terms);
    this.#step({ passage, body: null });
  }

  /**
   * @param {Passage} passage
   * @param {string} typed
   */
  async #acceptGap(passage, typed) {
    const { start, end } = passage;
    const body = typed ? { do: "insert", start, end, text: typed } : { do: "check_gap", start };
    const answer = await this.#send({ ...body, etag: this.#etag });
    if (!answer) return;
    if (!answer.change) return this.#step({ passage, body: { do: "uncheck_gap", start } });
    this.#done.push({ passage, body: null });
    await this.#again(); // the following segments have other numbers now
  }

  /** @param {Done} done */
  #step(done) {
    this.#done.push(done);
    this.#next();
  }

  async #undo() {
    const last = this.#done.at(-1);
    if (!last || this.#busy) return;
    if (last.body) {
      const etag = last.passage.index === null ? this.#etag : last.passage.etag;
      if (!(await this.#send({ ...last.body, etag }))) return;
    } else {
      this.#busy = true;
      await this.changes.undo();
      this.#busy = false;
    }
    this.#done.pop();
    this.#offer(null);
    await this.#again(last.passage);
  }

  async #fixAll() {
    const [fix, passage] = [this.#alike, this.#passage ?? this.#done.at(-1)?.passage];
    if (!fix || !passage || this.#busy) return;
    const answer = await this.#send({ do: "fix_all", wrong: fix.wrong, right: fix.right, etag: this.#etag });
    if (!answer) return;
    this.#offer(null, this.#terms);
    this.#done.push({ passage, body: null });
    toast(text("walk_fixed"), { action: { label: text("edit_undo"), run: () => this.#undo() } });
    await this.#again();
  }

  /** Reads the passages anew, and goes to one of them. @param {Passage} [first] the worst by default */
  async #again(first) {
    if (!(await this.#load())) return;
    const at = first ? this.#queue.findIndex((other) => key(other) === key(first)) : -1;
    const [passage] = at > 0 ? this.#queue.splice(at, 1) : [];
    if (passage) this.#queue.unshift(passage);
    this.#show();
  }

  /** Somebody checked something: perhaps on another page, whose passages are left out here then. @param {Checked} checked */
  async follow(checked) {
    showChecked(checked.sentence);
    if (this.root.hidden) return;
    if (this.#busy) {
      this.#checkedMeanwhile = checked;
      return;
    }
    if (isSame(checked, this.#checked) || this.#isTyped) return;
    const passage = this.#passage;
    await this.#again(passage ?? undefined);
    const isLeftOut = passage && (!this.#passage || key(this.#passage) !== key(passage));
    if (isLeftOut) toast(text("walk_elsewhere"));
  }

  /** Somebody corrects the text beside the panel, or undoes something there. */
  #changedElsewhere() {
    if (this.root.hidden || this.#busy) return;
    this.#done = [];
    this.#offer(null);
    if (!this.#isTyped) this.#again();
  }

  /** Puts the correction into the terms of the folder or of the organisation. @param {Offer} offer */
  async #learn({ wrong, right, of_folder }) {
    const answer = await this.#send({ do: "learn", wrong, right, of_folder });
    if (!answer) return;
    this.#offer(this.#alike);
    const back = { do: "forget", term: answer.term, is_new: answer.is_new, wrong };
    const undo = async () => (await this.#send(back)) && toast(text("walk_forgotten", { wrong }));
    toast(text("walk_learned", { wrong, right }), { action: { label: text("edit_undo"), run: undo, lasts: true } });
    this.area.focus({ preventScroll: true });
  }

  /**
   * @param {Alike | null} alike
   * @param {Offer[]} [terms]
   */
  #offer(alike, terms = []) {
    this.#alike = alike;
    this.#terms = terms;
    find(this.root, "[data-walk-term]", HTMLElement).hidden = terms.length === 0;
    const list = find(this.root, "[data-walk-terms]", HTMLElement);
    list.replaceChildren(
      ...terms.map((offer) => {
        const button = element("button", { type: "button", class: "button button--small" }, data(list, "learn"));
        button.addEventListener("click", () => this.#learn(offer));
        return element("li", {}, element("span", { class: "walk__term" }, offer.label), " ", button);
      }),
    );
    find(this.root, "[data-walk-alike]", HTMLElement).hidden = !alike;
    if (!alike) return;
    find(this.root, "[data-walk-alike-label]", HTMLElement).textContent = alike.label;
    find(this.root, "[data-walk-places]", HTMLElement).replaceChildren(
      ...alike.places.map(({ at, before, after }) =>
        element("li", {}, `${clock(at)} `, element("del", {}, before), " ", element("ins", {}, after)),
      ),
    );
  }

  /**
   * @param {Record<string, unknown>} body
   * @returns {Promise<Answer | null>}
   */
  async #send(body) {
    if (this.#busy) return null;
    this.#busy = true;
    try {
      const answer = await this.changes.post(data(this.root, "address"), body);
      if (answer.status === 401) this.#said(...signedOut());
      else if (!answer.ok) this.#said(await messageOf(answer), ...this.#wayOut(answer.status));
      if (!answer.ok) return null;
      /** @type {Answer} */
      const { etag, checked, ...more } = await answer.json();
      this.#said();
      this.#etag = etag;
      this.#tell(checked);
      if (more.change) await this.changes.made(more.change);
      return { etag, checked, ...more };
    } catch {
      this.#said(text("edit_failed"));
      return null;
    } finally {
      this.#busy = false;
      const meanwhile = this.#checkedMeanwhile;
      this.#checkedMeanwhile = null;
      if (meanwhile) setTimeout(() => this.follow(meanwhile)); // once what was sent has had its effect
    }
  }

  /**
   * A way to the text as it is now, where somebody else has changed it.
   * @param {number} status
   */
  #wayOut(status) {
    if (status !== 412) return [];
    const button = element("button", { type: "button", class: "button button--small" }, text("walk_again"));
    button.addEventListener("click", async () => {
      await this.changes.renew().catch(() => location.reload());
      await this.#again();
    });
    return [" ", button];
  }

  /** @param {(Node | string)[]} said */
  #said(...said) {
    const alert = find(this.root, "[data-walk-alert]", HTMLElement);
    alert.replaceChildren(...(said.length ? [element("p", { class: "field__errors" }, ...said)] : []));
  }

  /** @param {Checked} checked */
  #tell(checked) {
    const { percent, sentence, account } = checked;
    this.#checked = checked;
    find(this.root, "[data-walk-progress]", HTMLProgressElement).value = percent;
    find(this.root, "[data-walk-checked]", HTMLElement).textContent = text("walk_checked", { percent });
    find(this.root, "[data-walk-account]", HTMLElement).replaceChildren(
      ...account.map((line) => element("li", {}, line)),
    );
    showChecked(sentence);
  }

  /** @param {Passage} passage */
  #lineOf({ index, start }) {
    const { lines, segments } = this.changes.transcript;
    return index === null ? lines.find((line) => line.index === null && near(line.start, start)) : segments[index];
  }

  /** Marks a passage in the list, and brings it into view. @param {Passage | null} passage */
  #mark(passage) {
    this.#marked = passage;
    CSS.highlights?.delete("walk-passage");
    const line = passage && this.#lineOf(passage);
    if (!line) return;
    this.changes.transcript.reveal(line);
    this.#paint(passage);
  }

  /** @param {Passage} passage */
  #paint(passage) {
    const shown = this.#lineOf(passage)?.element?.querySelector(".segment__text");
    if (shown) CSS.highlights?.set("walk-passage", new Highlight(rangeOf(shown, passage.from, passage.to)));
  }
}

/**
 * @param {number} one
 * @param {number} other
 */
function near(one, other) {
  return Math.abs(one - other) < 0.001;
}

/**
 * Says above the transcript how much was checked, and by whom.
 * @param {string} sentence
 */
export function showChecked(sentence) {
  for (const shown of document.querySelectorAll("[data-checked]")) {
    shown.textContent = sentence;
    shown.toggleAttribute("hidden", !sentence);
  }
}

/**
 * @param {Checked} one
 * @param {Checked | null} other
 */
function isSame(one, other) {
  return other !== null && one.percent === other.percent && one.account.join() === other.account.join();
}

/** @param {Passage} passage */
function key({ index, first, start }) {
  return `${index}:${first}:${start}`;
}
