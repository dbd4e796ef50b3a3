// Who speaks: naming, merging, giving lines to another speaker, a speaker's next turn, only some speakers.
// The server answers every change with all that is shown of speakers, so that a lost answer is put right by the next.
import { messageOf } from "./changes.js";
import { element } from "./element.js";
import { showVoice } from "./lines.js";
import { ask, signedOut } from "./page.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

const PREVIEW = 40; // characters of a line in the list of lines
const RANGE = 500; // lines in it

/** @import { Change, Changes } from "./changes.js" */
/** @import { Line, Voice } from "./lines.js" */
/** @import { Transcript } from "./transcript.js" */
/** @typedef {{etag: string, list: string, speakers: Record<string, Voice>, segments: (number | null)[]}} State */

export class Speakers {
  /** @type {Set<string>} */
  #only = new Set();

  /**
   * @param {HTMLElement} root
   * @param {Transcript} transcript
   * @param {Changes | null} changes null where the person may not make any
   */
  constructor(root, transcript, changes) {
    this.root = root;
    this.transcript = transcript;
    this.changes = changes;
    this.list = find(root, "[data-speakers-list]", HTMLElement);
    this.says = find(root, "[data-speakers-say]", HTMLElement);
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.list.addEventListener("click", (event) => this.#click(event), { signal });
    transcript.root.addEventListener("changed", (event) => this.#changed(event), { signal });
    if (changes) this.#watchEditing(signal);
  }

  close() {
    this.stop.abort();
  }

  get #lines() {
    return this.transcript.segments;
  }

  /** @param {AbortSignal} signal */
  #watchEditing(signal) {
    this.nameDialog = find(document, "#speaker", HTMLDialogElement);
    this.whoseDialog = find(document, "#whose", HTMLDialogElement);
    const nameForm = find(this.nameDialog, "form", HTMLFormElement);
    const whoseForm = find(this.whoseDialog, "form", HTMLFormElement);
    nameForm.addEventListener("submit", (event) => this.#saveName(event, nameForm), { signal });
    whoseForm.addEventListener("submit", (event) => this.#saveWhose(event, whoseForm), { signal });
    find(whoseForm, "[name=last]", HTMLSelectElement).addEventListener("change", () => choose(whoseForm, "range"), {
      signal,
    });
    this.transcript.root.addEventListener(
      "click",
      (event) => {
        const button = closest(event, "[data-whose]");
        const line = button && this.transcript.lineOf(button);
        if (line) this.openWhose(line);
      },
      { signal },
    );
  }

  /** Lines, or whose they are, changed: how long each speaks is asked for anew. @param {Event} event */
  #changed(event) {
    /** @type {Change | null} */
    const change = event instanceof CustomEvent ? event.detail : null;
    if (change && (change.speakers || change.added !== change.removed)) this.#refresh();
    else if (this.#only.size) this.#showOnly();
  }

  async #refresh() {
    try {
      const answer = await ask(data(this.root, "address"));
      if (answer.ok) this.#show(await answer.json());
    } catch {
      /* the list stays as it was until the next change */
    }
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const chip = closest(event, "[data-voice]");
    if (!chip) return;
    if (closest(event, "[data-turn]")) this.#nextTurn(data(chip, "voice"));
    else if (closest(event, "[data-only]")) this.#filter(data(chip, "voice"));
    else if (closest(event, "[data-rename]")) this.#openName(chip);
  }

  /** @param {string} voice */
  #nextTurn(voice) {
    const lines = this.#lines;
    const turns = lines.filter((line, at) => line.speaker === voice && lines[at - 1]?.speaker !== voice);
    const here = this.transcript.picked;
    const next = turns.find((line) => line.place > here) ?? turns[0];
    if (next) this.transcript.pick(next);
  }

  /** @param {string} voice */
  #filter(voice) {
    if (!this.#only.delete(voice)) this.#only.add(voice);
    this.#showOnly();
    const names = [...this.#only].map((one) => this.#labelOf(one));
    this.says.textContent = names.length ? text("speakers_only", { names: names.join(", ") }) : text("speakers_all");
  }

  #showOnly() {
    const only = this.#only;
    for (const chip of this.#chips)
      find(chip, "[data-only]", HTMLElement).setAttribute("aria-pressed", String(only.has(data(chip, "voice"))));
    this.transcript.root.classList.toggle("transcript--only", only.size > 0);
    this.transcript.filter("speakers", only.size ? (line) => !only.has(line.speaker ?? "") : null);
  }

  get #chips() {
    /** @type {NodeListOf<HTMLElement>} */
    const chips = this.list.querySelectorAll("[data-voice]");
    return [...chips];
  }

  /** @param {string} voice */
  #labelOf(voice) {
    return this.#chips.find((chip) => chip.dataset.voice === voice)?.dataset.label ?? "";
  }

  /** @param {string} [without] */
  #options(without = "") {
    return this.#chips
      .filter((chip) => chip.dataset.voice !== without)
      .map((chip) => element("option", { value: data(chip, "voice") }, data(chip, "label")));
  }

  /** @param {HTMLElement} chip */
  #openName(chip) {
    if (!this.nameDialog) return;
    const form = find(this.nameDialog, "form", HTMLFormElement);
    form.dataset.number = data(chip, "voice");
    find(form, "[data-speaker-title]", HTMLElement).textContent = data(chip, "label");
    const name = find(form, "[name=name]", HTMLInputElement);
    name.value = chip.dataset.name ?? "";
    name.placeholder = data(chip, "label");
    const others = this.#options(data(chip, "voice"));
    const into = find(form, "[name=into]", HTMLSelectElement);
    into.replaceChildren(element("option", { value: "" }, text("speakers_nobody_else")), ...others);
    refuse(form);
    this.nameDialog.showModal();
    name.select();
  }

  /**
   * @param {SubmitEvent} event
   * @param {HTMLFormElement} form
   */
  async #saveName(event, form) {
    event.preventDefault();
    const speaker = Number(form.dataset.number);
    const { name, into } = values(form);
    const wanted = into ? { do: "merge", speaker, into: Number(into) } : { do: "rename", speaker, name };
    if (await this.#change(wanted, form)) this.nameDialog?.close();
  }

  /** @param {Line} line */
  openWhose(line) {
    if (!this.whoseDialog) return;
    const form = find(this.whoseDialog, "form", HTMLFormElement);
    form.dataset.index = String(line.index);
    const voice = line.speaker ?? "";
    const { time } = line;
    find(form, "[data-whose-title]", HTMLElement).textContent = text("speakers_whose", { time });
    const into = find(form, "[name=into]", HTMLSelectElement);
    const more = [
      element("option", { value: "new" }, text("speakers_new")),
      element("option", { value: "" }, text("speakers_nobody")),
    ];
    into.replaceChildren(...this.#options(), ...more);
    into.value = voice;
    find(form, "[name=last]", HTMLSelectElement).replaceChildren(...this.#reach(line));
    find(form, "[data-whose-all]", HTMLElement).hidden = voice === "";
    find(form, "[data-whose-all-label]", HTMLElement).textContent = text("speakers_all_of", {
      name: this.#labelOf(voice),
    });
    choose(form, "line");
    refuse(form);
    this.whoseDialog.showModal();
    into.focus();
  }

  /** The lines to which a range may go. @param {Line} line */
  #reach({ index }) {
    const here = Number(index);
    const lines = this.#lines.slice(here, here + RANGE);
    return lines.map((line) => element("option", { value: line.index }, `${line.time} ${line.preview(PREVIEW)}`));
  }

  /**
   * @param {SubmitEvent} event
   * @param {HTMLFormElement} form
   */
  async #saveWhose(event, form) {
    event.preventDefault();
    const first = Number(form.dataset.index);
    const { into = "", reach, last } = values(form);
    const speaker = this.#lines[first]?.speaker ?? "";
    const target = into === "" || into === "new" ? into : Number(into);
    const isMerger = reach === "all" && typeof target === "number" && speaker !== "";
    if (isMerger && speaker === into) return this.whoseDialog?.close();
    const end = reach === "range" ? Number(last) : reach === "turn" ? this.#endOfTurn(first) : first;
    const wanted = isMerger
      ? { do: "merge", speaker: Number(speaker), into: target }
      : { do: "assign", first, last: end, into: target };
    if (reach === "all" && !isMerger) return refuse(form, text("speakers_all_needs_one"));
    if (await this.#change(wanted, form)) this.whoseDialog?.close();
  }

  /** @param {number} first index of a segment */
  #endOfTurn(first) {
    const lines = this.#lines;
    let at = first;
    while (lines[at + 1] && lines[at + 1]?.speaker === lines[at]?.speaker) at++;
    return at;
  }

  /**
   * Returns whether it was saved.
   * @param {object} wanted
   * @param {HTMLFormElement} form
   */
  async #change(wanted, form) {
    const { changes } = this;
    if (!changes) return false;
    try {
      const { revision } = changes;
      const answer = await changes.post(data(this.root, "address"), { ...wanted, etag: String(revision) });
      if (answer.ok) {
        /** @type {State} */
        const state = await answer.json();
        await changes.madeElsewhere(Number(state.etag));
        this.#show(state);
        const undo = () => changes.undo();
        if (changes.revision !== revision)
          toast(text("edit_saved"), { action: { label: text("edit_undo"), run: undo } });
        return true;
      }
      if (answer.status === 401) return refuse(form, ...signedOut());
      if (answer.status === 412) await changes.renew();
      return refuse(form, await messageOf(answer, "speakers_failed"));
    } catch {
      return refuse(form, text("speakers_failed"));
    }
  }

  /** @param {State} state */
  #show(state) {
    const lines = this.#lines;
    if (state.segments.length !== this.transcript.total) return; // lines were divided or joined elsewhere: `renew` tells
    const page = new DOMParser().parseFromString(state.list, "text/html");
    this.list.replaceChildren(...page.body.childNodes);
    lines.forEach((line, at) => {
      const voice = state.segments[at] ?? null;
      const goesOn = at > 0 && voice === (state.segments[at - 1] ?? null);
      line.speaker = voice === null ? "" : String(voice);
      line.voice = voice === null ? undefined : state.speakers[voice];
      line.html = ""; // has what was before
      showVoice(line, goesOn);
    });
    for (const voice of this.#only) if (!state.speakers[voice]) this.#only.delete(voice);
    this.#showOnly();
  }
}

/**
 * @param {HTMLFormElement} form
 * @param {string} reach
 */
function choose(form, reach) {
  find(form, `[name=reach][value=${reach}]`, HTMLInputElement).checked = true;
}

/**
 * @param {HTMLFormElement} form
 * @returns {Record<string, string>}
 */
function values(form) {
  return Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
}

/**
 * Says why it was not saved, or takes back what was said. Returns false.
 * @param {HTMLFormElement} form
 * @param {(Node | string)[]} said
 */
function refuse(form, ...said) {
  const alert = find(form, "[role=alert]", HTMLElement);
  alert.hidden = said.length === 0;
  alert.replaceChildren(...said);
  return false;
}
