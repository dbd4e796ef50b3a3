// Correcting the text as in a text: a line is a paragraph. Enter divides it at the caret, Backspace at its start and
// Delete at its end join it with a neighbour, the arrows lead from one line into the next, which saves it. What was
// typed is never lost: it stays in the field until the server has it.
import { messageOf } from "./changes.js";
import { element } from "./element.js";
import { signedOut } from "./page.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";
import { offsetUnder } from "./textrange.js";
import { toast } from "./toast.js";

const LONGEST = 5000;
const KEPT = "edit-text"; // where the browser remembers that clicks put the caret into the text
const UNSPACED =
  /[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31f0-\u9fff\uf900-\ufaff]/;

/** @import { Change, Changes } from "./changes.js" */
/** @import { Doing } from "./keys.js" */
/** @import { Player } from "./player.js" */
/** @import { Line } from "./lines.js" */
/** @import { Transcript } from "./transcript.js" */
/** @typedef {{text: string, etag: string, change: Change}} Saved */
/** @typedef {{error: {message: string}, now: {text: string, etag: string}}} Conflict another one saved the line first */
/**
 * @typedef {object} Editing the line that is open
 * @property {Line} line
 * @property {HTMLElement} item what shows it
 * @property {HTMLElement} shown its text on the page, hidden meanwhile
 * @property {HTMLFormElement} form
 * @property {HTMLTextAreaElement} area
 * @property {HTMLElement} alert
 */

export class Editor {
  /** @type {Editing | null} */
  #editing = null;
  /** Something is on its way to the server; what is typed meanwhile goes on being typed. */
  #busy = false;
  #hadFocus = false;
  /** @type {HTMLElement | null} the newest notice that something is saved */
  #notice = null;

  /**
   * @param {HTMLElement} root `data-segments` is the address of a segment, with a 0 for its index
   * @param {Transcript} transcript has the segments
   * @param {Changes} changes
   * @param {Player | null} player
   */
  constructor(root, transcript, changes, player) {
    this.root = root;
    this.transcript = transcript;
    this.changes = changes;
    this.player = player;
    this.says = find(document, "[data-edit-say]", HTMLElement);
    this.stop = new AbortController();
    const { signal } = this.stop;
    changes.mayRenew = () => !this.#changed && !this.#busy;
    changes.unsaved = () => (this.#changed ? (this.#editing?.line.index ?? undefined) : undefined);
    root.addEventListener("click", (event) => this.#click(event), { signal });
    root.addEventListener("keydown", (event) => this.#key(event), { signal });
    root.addEventListener("focusout", () => requestAnimationFrame(() => this.#left()), { signal });
    root.addEventListener("changing", () => this.#noteFocus(), { signal });
    root.addEventListener("changed", (event) => this.#reattach(event), { signal });
    document.querySelector("[data-undo]")?.addEventListener("click", () => this.walk(true), { signal });
    document.querySelector("[data-redo]")?.addEventListener("click", () => this.walk(false), { signal });
    this.#watchMode(find(document, "[data-edit-mode]", HTMLButtonElement), signal);
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

  /** Who types in a line, elsewhere. @type {(index: number) => string | undefined} */
  typedBy = () => undefined;

  /** What keys do with the text. @returns {Record<string, Doing>} */
  get doings() {
    return {
      edit: { run: () => this.transcript.focused && this.open(this.transcript.focused) },
      save: { run: () => this.saveAndLeave() },
      leave: { run: () => this.leave() },
      undo: { run: () => this.walk(true) },
      redo: { run: () => this.walk(false) },
      edit_mode: { run: () => find(document, "[data-edit-mode]", HTMLButtonElement).click() },
      split: { run: () => {} }, // these are done where they are typed
      merge_before: { run: () => {} },
      merge_after: { run: () => {} },
      walk: { run: () => {} },
    };
  }

  /**
   * Opens a line, after the one that was open is saved.
   * @param {Line} line
   * @param {number} [at] place of the caret in the text, from the end if it is negative
   * @param {boolean} [anyway] whether somebody else types there or not
   */
  async open(line, at, anyway = false) {
    if (this.#editing?.line === line) return this.#editing.area.focus();
    const index = Number(line.index);
    const name = anyway ? undefined : this.typedBy(index);
    if (name) {
      const run = () => void this.open(this.transcript.segments[index] ?? line, at, true);
      return void toast(text("present_taken", { name }), {
        action: { label: text("present_anyway"), run, lasts: true },
      });
    }
    if (this.#editing && !(await this.#save())) return this.#editing?.area.focus();
    const target = this.transcript.lines[line.place] === line ? line : this.transcript.segments[index];
    const item = target && (target.isWhole ? target.element : await this.transcript.whole(target));
    this.leave(false);
    if (!target) return;
    if (!item) return void toast(text("edit_failed"), { error: true });
    const editing = this.#build(target, item);
    this.#editing = editing;
    editing.shown.hidden = true;
    editing.shown.after(editing.form);
    fit(editing.area);
    editing.area.focus();
    const { length } = editing.area.value;
    const caret = at === undefined ? length : Math.min(length, at < 0 ? length : at);
    editing.area.setSelectionRange(caret, caret);
    item.scrollIntoView({ block: "nearest" });
  }

  get #changed() {
    return this.#editing !== null && spoken(this.#editing.area.value) !== spoken(this.#editing.shown.textContent);
  }

  /**
   * @param {Line} line
   * @param {HTMLElement} item
   * @returns {Editing}
   */
  #build(line, item) {
    const shown = find(item, ".segment__text", HTMLElement);
    const { time } = line;
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
    cancel.addEventListener("click", () => this.leave());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.saveAndLeave();
    });
    return { line, item, shown, form, area, alert };
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const line = event.target instanceof Node ? this.transcript.lineOf(event.target) : undefined;
    if (!line?.element || line.index === null) return;
    if (closest(event, "[data-edit]")) this.open(line);
    else if (this.transcript.editing && closest(event, ".segment__text") && getSelection()?.isCollapsed !== false) {
      const at = offsetUnder(find(line.element, ".segment__text", HTMLElement), event);
      if (!this.transcript.playing) this.player?.seek(this.transcript.startUnder(line, event));
      this.open(line, at);
    }
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {AbortSignal} signal
   */
  #watchMode(button, signal) {
    /** @param {boolean} on */
    const turn = (on) => {
      this.transcript.editing = on;
      this.root.classList.toggle("transcript--editing", on);
      button.setAttribute("aria-pressed", String(on));
    };
    try {
      turn(localStorage.getItem(KEPT) === "yes");
    } catch {
      turn(false);
    }
    button.addEventListener(
      "click",
      () => {
        turn(!this.transcript.editing);
        try {
          localStorage.setItem(KEPT, this.transcript.editing ? "yes" : "no");
        } catch {
          /* not remembered */
        }
      },
      { signal },
    );
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.isComposing || !closest(event, ".segment__editor textarea")) return;
    if (this.#typed(event)) event.preventDefault();
  }

  /**
   * Does what a key in the field means beside typing. Returns whether it means anything.
   * @param {KeyboardEvent} event
   */
  #typed(event) {
    const editing = this.#editing;
    if (!editing) return false;
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return false;
    if (event.key === "Enter") {
      this.#divide(editing);
      return true;
    }
    const { selectionStart: from, selectionEnd: to, value } = editing.area;
    const [isStart, isEnd] = [from === 0 && to === 0, from === value.length && to === value.length];
    const { segments } = this.transcript;
    const here = Number(editing.line.index);
    const [before, after] = [segments[here - 1], segments[here + 1]];
    if (event.key === "Backspace" && isStart) this.#join(editing, before, editing.line);
    else if (event.key === "Delete" && isEnd) this.#join(editing, editing.line, after);
    else if ((event.key === "ArrowUp" || event.key === "ArrowLeft") && isStart && before) this.open(before, -1);
    else if ((event.key === "ArrowDown" || event.key === "ArrowRight") && isEnd && after) this.open(after, 0);
    else return false;
    return true;
  }

  /**
   * Undoes, or redoes, the last change. What was typed and isn't saved yet is the field's own to undo.
   * @param {boolean} back
   */
  walk(back) {
    const editing = this.#editing;
    if (this.#busy) return;
    if (editing && this.#changed) {
      editing.area.focus();
      return void document.execCommand(back ? "undo" : "redo"); // deprecated, and the only way to a field's own history
    }
    const index = Number(editing?.line.index);
    this.leave(false);
    Promise.resolve(back ? this.changes.undo() : this.changes.redo()).then(() => {
      const line = this.transcript.focused ?? this.transcript.segments[index];
      if (line && editing && !this.#editing) this.open(line);
    });
  }

  #noteFocus() {
    this.#hadFocus = this.#editing !== null && document.activeElement === this.#editing.area;
  }

  /** The focus went elsewhere: in a text that is edited by clicking, that saves what was typed. */
  #left() {
    const editing = this.#editing;
    if (!editing || !this.transcript.editing || !document.hasFocus()) return;
    if (!editing.form.contains(document.activeElement) && editing.area.value.trim()) this.#save();
  }

  /** Saves and closes what is open, before all lines may change. */
  async settled() {
    if (this.#editing && (await this.#save())) this.leave(false);
  }

  async saveAndLeave() {
    const editing = this.#editing;
    const wasChanged = this.#changed;
    if (!(await this.#save())) return;
    if (wasChanged) this.#tellSaved("edit_saved");
    if (this.#editing === editing) this.leave(); // another one may have been opened meanwhile
  }

  /** @param {string} said */
  #tellSaved(said) {
    this.#notice?.remove();
    this.#notice = toast(text(said), { action: { label: text("edit_undo"), run: () => this.changes.undo() } });
  }

  /**
   * Saves the open line. Returns whether the server has all that was typed in it.
   * @param {string} [etag] of the text that the person has seen
   */
  async #save(etag) {
    const editing = this.#editing;
    if (!editing || !this.#changed) return true;
    const typed = editing.area.value;
    if (!typed.trim()) return this.#remove(editing);
    const { item } = editing;
    const answer = await this.#send(editing, "", { text: typed, etag: etag ?? data(item, "etag") });
    if (!answer) return false;
    if (answer.status === 412) {
      this.#conflict(editing, await answer.json());
      return false;
    }
    /** @type {Saved} */
    const saved = await answer.json();
    await this.changes.made(saved.change);
    if (editing.item === item && item.isConnected) {
      item.dataset.etag = saved.etag; // the lines are drawn anew later
      editing.shown.textContent = saved.text;
      editing.line.text = saved.text;
      editing.line.html = "";
    }
    return this.#editing !== editing || spoken(editing.area.value) === spoken(typed);
  }

  /** @param {Editing} editing */
  async #remove(editing) {
    const answer = await this.#send(editing, "remove/", { etag: data(editing.item, "etag") });
    if (!answer) return false;
    if (this.#editing === editing) this.leave();
    /** @type {Change} */
    const change = await answer.json();
    await this.changes.made(change);
    this.transcript.focusOn(Math.max(0, change.first - 1));
    this.#tellSaved("edit_removed");
    return true;
  }

  /**
   * Divides the line at the caret. The field has the second half at once, so that nobody who types on is kept waiting.
   * @param {Editing} editing
   */
  async #divide(editing) {
    const { area } = editing;
    area.setRangeText("");
    const [left, right] = [area.value.slice(0, area.selectionStart), area.value.slice(area.selectionStart)];
    if (!left.trim() || !right.trim()) return this.saveAndLeave();
    if (this.#busy || !(await this.#save()) || this.#editing !== editing) return;
    const index = Number(editing.line.index);
    const position = placeAfter(editing.line.text.trim(), spoken(left).length);
    area.value = area.value.slice(left.length).trimStart();
    area.setSelectionRange(0, 0);
    fit(area);
    const answer = await this.#send(editing, "split/", { position, etag: data(editing.item, "etag") });
    if (!answer) {
      restore(area, `${left.trimEnd()} `);
      return this.#giveUp();
    }
    await this.#follow(editing, answer, index + 1, right);
    this.says.textContent = text("edit_divided");
  }

  /**
   * Joins two neighbours, of which one is open. The field has both at once, with the caret between them.
   * @param {Editing} editing
   * @param {Line | undefined} former
   * @param {Line | undefined} latter
   */
  async #join(editing, former, latter) {
    const { area } = editing;
    if (!area.value.trim()) return void this.#remove(editing);
    if (!former || !latter || this.#busy) return;
    const isFirst = editing.line === former;
    if (!(await this.#save()) || this.#editing !== editing) return;
    const index = Number(editing.line.index) - (isFirst ? 0 : 1);
    const neighbour = this.transcript.segments[isFirst ? index + 1 : index];
    if (!neighbour || !(await this.transcript.whole(neighbour)) || this.#editing !== editing) return;
    const other = neighbour.text.trim();
    const joint = UNSPACED.test((isFirst ? other : area.value).trimStart().charAt(0)) ? "" : " ";
    const [before, after] = isFirst ? ["", `${joint}${other}`] : [`${other}${joint}`, ""];
    const caret = isFirst ? area.value.length : before.length;
    area.value = `${before}${area.value}${after}`;
    area.setSelectionRange(caret, caret);
    fit(area);
    const whole = area.value;
    const answer = await this.#send(
      editing,
      "merge/",
      { etags: [this.#etagOf(index), this.#etagOf(index + 1)] },
      index,
    );
    if (!answer) {
      if (area.value.startsWith(before)) area.value = area.value.slice(before.length);
      if (area.value.endsWith(after)) area.value = area.value.slice(0, area.value.length - after.length);
      return this.#giveUp();
    }
    await this.#follow(editing, answer, index, whole);
    const speaker = this.#editing?.item.querySelector(".segment__speaker")?.textContent.trim();
    this.says.textContent = speaker ? text("edit_joined_by", { name: speaker }) : text("edit_joined");
  }

  /** A change of lines was refused: where others changed them, they are drawn anew. */
  #giveUp() {
    if (this.changes.isStale && !this.#changed) this.leave();
  }

  /** @param {number} index */
  #etagOf(index) {
    return this.transcript.segments[index]?.element?.dataset.etag ?? "";
  }

  /**
   * Takes what a division or a junction made, and goes on in the line `index` with what is in the field.
   * @param {Editing} editing
   * @param {Response} answer
   * @param {number} index
   * @param {string} sent what was in the field when it was sent
   */
  async #follow(editing, answer, index, sent) {
    /** @type {Change} */
    const change = await answer.json();
    const target = { index, editing };
    this.#target = target;
    await this.changes.made(change);
    this.#target = null;
    if (this.#editing === editing && spoken(editing.area.value) === spoken(sent)) fit(editing.area);
  }

  /** @type {{index: number, editing: Editing} | null} the line in which the field goes on after a change */
  #target = null;

  /** The line that is open was drawn anew: the field goes there. @param {Event} event */
  #reattach(event) {
    const editing = this.#editing;
    if (!editing || (editing.item.isConnected && this.#target?.editing !== editing)) return;
    /** @type {Change | null} */
    const change = event instanceof CustomEvent ? event.detail : null;
    const before = Number(editing.line.index);
    const wasClean = !this.#changed && !this.#target;
    if (!change || change.lines === null || change.whole) {
      this.leave(false);
      return this.transcript.focusOn(before);
    }
    const moved = before >= change.first + change.removed ? change.added - change.removed : 0;
    const line = this.transcript.segments[this.#target?.editing === editing ? this.#target.index : before + moved];
    const item = line && this.transcript.element(line);
    if (!item) return this.leave(false);
    const { selectionStart, selectionEnd } = editing.area;
    editing.shown.hidden = false;
    editing.line = line;
    editing.item = item;
    editing.shown = find(item, ".segment__text", HTMLElement);
    editing.shown.hidden = true;
    editing.shown.after(editing.form);
    if (wasClean) editing.area.value = editing.shown.textContent.trim(); // nothing was typed: it may be another's by now
    editing.area.setAttribute("aria-label", text("edit_label", { time: line.time }));
    fit(editing.area);
    if (!this.#hadFocus) return;
    editing.area.focus();
    editing.area.setSelectionRange(selectionStart, selectionEnd);
  }

  /**
   * Sends a change of the open line, or of the line `index`. Returns the answer if it is done, or is a conflict of a
   * text; else says in the line why not.
   * @param {Editing} editing
   * @param {string} what
   * @param {object} body
   * @param {number} [index]
   */
  async #send(editing, what, body, index = Number(editing.line.index)) {
    if (this.#busy) return undefined;
    this.#busy = true;
    try {
      const address = `${data(this.root, "segments").replace(/0\/$/, `${index}/`)}${what}`;
      const answer = await this.changes.post(address, body);
      if (answer.ok || (answer.status === 412 && !what)) return answer;
      if (answer.status === 412) this.changes.outdated();
      if (answer.status === 401) refuse(editing, ...signedOut());
      else if (answer.status === 412) toast(await messageOf(answer), { error: true });
      else refuse(editing, await messageOf(answer));
    } catch {
      refuse(editing, text("edit_failed"));
    } finally {
      this.#busy = false;
    }
    return undefined;
  }

  /**
   * Nothing is lost: what was typed stays in the field, what stands there now is shown beside it.
   * @param {Editing} editing
   * @param {Conflict} conflict
   */
  #conflict(editing, { error, now }) {
    const theirs = element("button", { type: "button", class: "button button--small" }, text("edit_theirs"));
    const mine = element("button", { type: "button", class: "button button--small" }, text("edit_mine"));
    this.changes.outdated();
    theirs.addEventListener("click", () => this.leave());
    mine.addEventListener("click", async () => {
      if (!(await this.#save(now.etag))) return;
      this.#tellSaved("edit_saved");
      if (this.#editing === editing) this.leave();
    });
    const body = element(
      "div",
      { class: "notice__body" },
      element("p", { class: "notice__title" }, error.message),
      element("p", {}, text("edit_now"), " ", element("q", {}, now.text)),
      element("div", { class: "cluster" }, mine, theirs),
    );
    editing.alert.replaceChildren(element("div", { class: "notice notice--warn" }, body));
  }

  leave(focus = true) {
    if (!this.#editing) return;
    const { item, shown, form } = this.#editing;
    shown.hidden = false;
    form.remove();
    this.#editing = null;
    if (focus) find(item, "button.segment__time", HTMLButtonElement).focus();
    this.changes.settle();
  }
}

/**
 * What of a text doesn't change with its spaces.
 * @param {string} text
 */
function spoken(text) {
  return text.replace(/\s+/g, " ").trim();
}

/**
 * Returns before which character (of Unicode, as the server counts) a text is after what `length` says of its beginning.
 * @param {string} line
 * @param {number} length of the beginning, as `spoken` returns it
 */
function placeAfter(line, length) {
  return [...line.slice(0, length)].length;
}

/**
 * @param {HTMLTextAreaElement} area
 * @param {string} before
 */
function restore(area, before) {
  area.value = `${before}${area.value}`;
  area.setSelectionRange(before.length, before.length);
  fit(area);
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
