// Changes of a transcript on its page: sends them, shows what they left, and undoes and redoes those made here.
// Each is a revision of the server; undoing one restores the revision before it, as a new one.
import { ask } from "./page.js";
import { data } from "./query.js";
import { text } from "./strings.js";
import { dropUndo, toast } from "./toast.js";

const SHOWN = 300; // milliseconds in which an answer is shown

/** @import { Transcript } from "./transcript.js" */
/**
 * @typedef {object} Change what one revision put on the page (portal/web/changes.py)
 * @property {number} revision
 * @property {number} first index of a segment
 * @property {number} removed
 * @property {number} added
 * @property {string | null} lines null where all of them have to be asked for
 * @property {boolean} speakers whether names, or whose lines are, changed
 * @property {boolean} [strikes] whether something was struck or given back
 * @property {boolean} [whole] whether all lines were drawn anew
 */
/** @typedef {{error?: {message?: string}}} Refusal */

export class Changes {
  /** The revisions that undo and redo walk. */
  #states;
  #at = 0;
  #busy = false;
  #posting = 0;
  /** The states before the last change that was followed. @type {number[]} */
  #former = [];
  /** Others changed what is shown here. */
  #stale = false;

  /** @param {Transcript} transcript of which `data-revision` is shown */
  constructor(transcript) {
    this.transcript = transcript;
    this.root = transcript.root;
    this.revision = Number(data(this.root, "revision"));
    this.#states = [this.revision];
    /** @type {HTMLButtonElement | null} */
    this.undoButton = document.querySelector("[data-undo]");
    /** @type {HTMLButtonElement | null} */
    this.redoButton = document.querySelector("[data-redo]");
    this.root.addEventListener("outdated", (event) => {
      event.preventDefault();
      this.renew().catch(() => location.reload());
    });
    this.#tell();
  }

  /** What may be open on the page: asked before lines go from under it. @type {() => boolean} */
  mayRenew = () => true;

  /** The index of the line in which somebody typed what is not saved. @type {() => number | undefined} */
  unsaved = () => undefined;

  get #canUndo() {
    return this.#at > 0;
  }

  get #canRedo() {
    return this.#at < this.#states.length - 1;
  }

  /**
   * @param {string} address
   * @param {object} body
   */
  async post(address, body) {
    this.#posting += 1;
    try {
      return await ask(address, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
    } finally {
      setTimeout(() => (this.#posting -= 1), SHOWN); // until its answer is shown
    }
  }

  /**
   * Shows what others changed, up to a revision. A line in which somebody types stays as it is: saving it meets the
   * other's text then, and asks.
   * @param {number} revision
   * @returns {Promise<boolean>} whether it is shown, or noted; false while a change from here is on its way
   */
  async follow(revision) {
    if (this.#posting || this.#busy) return false;
    if (revision <= this.revision || this.#stale) return true;
    if (revision > this.revision + 1) {
      await this.renew();
      return true;
    }
    const whole = this.transcript.isLong ? "&outline" : "";
    const answer = await ask(`${data(this.root, "lines")}?since=${this.revision}${whole}`);
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    /** @type {Change & {total?: number}} */
    const change = await answer.json();
    if (this.#posting || this.#busy) return false;
    if (change.revision <= this.revision) return true;
    const open = this.unsaved();
    const isOpen = open !== undefined && open >= change.first && open < change.first + change.removed;
    if (isOpen || change.total !== undefined || change.lines === null) {
      await this.renew();
      return true;
    }
    this.#former = this.#states.slice(0, this.#at + 1);
    this.#states = [change.revision];
    this.#at = 0;
    await this.#show(change);
    this.#tell();
    return true;
  }

  /**
   * Takes a change that was made here, and shows it.
   * @param {Change} change
   */
  async made(change) {
    if (change.revision === this.revision) {
      if (this.#former.at(-1) !== change.revision - 1) return; // nothing differs
      this.#states = [...this.#former, change.revision]; // it was heard of before its answer came
      this.#at = this.#states.length - 1;
      return this.#tell();
    }
    const before = this.#isNext(change) ? this.#states.slice(0, this.#at + 1) : [change.revision - 1]; // others' stay
    this.#states = [...before, change.revision];
    this.#at = this.#states.length - 1;
    await this.#show(change);
    dropUndo();
    this.#tell();
  }

  /**
   * Takes the revision of a change of speakers, which has been shown.
   * @param {number} revision
   */
  async madeElsewhere(revision) {
    await this.made({ revision, first: 0, removed: 0, added: 0, lines: "", speakers: false });
  }

  undo() {
    return this.#canUndo ? this.#restore(this.#at - 1) : undefined;
  }

  redo() {
    return this.#canRedo ? this.#restore(this.#at + 1) : undefined;
  }

  /** Asks for all lines anew; unless somebody types in one of them: then `settle` does it later. */
  async renew() {
    this.#stale = true;
    if (!this.mayRenew()) return;
    const whole = await this.transcript.ask();
    const { revision } = whole;
    if (!this.mayRenew() || revision < this.revision) return; // somebody began to type, or saved, meanwhile
    this.#stale = false;
    if (revision !== this.revision) {
      this.#states = [revision];
      this.#at = 0;
    }
    this.transcript.renew(whole);
    this.#dispatch({ revision, first: 0, removed: 0, added: 0, lines: "", speakers: true, whole: true });
    this.#tell();
  }

  get isStale() {
    return this.#stale;
  }

  /** Others changed lines, which are to be drawn anew when nobody types in one. */
  outdated() {
    this.#stale = true;
  }

  /** Nobody types in a line any more. */
  settle() {
    if (this.#stale) this.renew().catch(() => location.reload());
  }

  /** Whether the lines that are shown are the change's but for what it changed. @param {Change} change */
  #isNext({ revision }) {
    return !this.#stale && revision === this.revision + 1;
  }

  /** @param {number} at */
  async #restore(at) {
    if (this.#busy || !this.mayRenew()) return;
    this.#busy = true;
    try {
      const body = { revision: this.#states[at], etag: String(this.revision) };
      const answer = await this.post(data(this.root, "revert"), body);
      if (!answer.ok) {
        if (answer.status === 412) await this.renew();
        return toast(await messageOf(answer), { error: true });
      }
      /** @type {Change} */
      const change = await answer.json();
      const isNext = at > this.#at;
      this.#at = at;
      this.#states[at] = change.revision; // the same text as the one that was restored
      await this.#show(change);
      if (change.lines) this.transcript.focusOn(change.first);
      dropUndo();
      toast(text(isNext ? "edit_redone" : "edit_undone"));
    } catch {
      await this.renew().catch(() => location.reload()); // done or not: what stands there now is shown
    } finally {
      this.#busy = false;
      this.#tell();
    }
  }

  /** @param {Change} change */
  async #show(change) {
    const isNext = this.#isNext(change);
    this.revision = change.revision;
    if (!isNext || change.lines === null) return this.renew();
    if (change.removed || change.added) this.transcript.replace(change);
    this.#dispatch(change);
  }

  /** @param {Change} detail */
  #dispatch(detail) {
    this.revision = detail.revision;
    this.root.dataset.revision = String(detail.revision);
    this.root.dispatchEvent(new CustomEvent("changed", { detail }));
  }

  #tell() {
    if (this.undoButton) this.undoButton.disabled = !this.#canUndo;
    if (this.redoButton) this.redoButton.disabled = !this.#canRedo;
  }
}

/**
 * Returns why the server refused, in its own words where it said anything.
 * @param {Response} answer
 * @param {string} [otherwise]
 */
export async function messageOf(answer, otherwise = "edit_failed") {
  /** @type {Refusal} */
  const refusal = await answer.json().catch(() => ({}));
  return refusal.error?.message ?? text(otherwise);
}
