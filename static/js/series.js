// Find and replace in many recordings. The library is looked through request by request; what is found is shown by
// recording, ticked; what is ticked is replaced request by request, and can be undone as one.
import { messageOf } from "./changes.js";
import { element } from "./element.js";
import { clock } from "./format.js";
import { localise } from "./localtime.js";
import { ask } from "./page.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

const AT_ONCE = 50; // transcripts of a request
const MOST_DRAWN = 1000; // hits; of more transcripts only the numbers are shown
const NO_ID = "00000000-0000-0000-0000-000000000000";

/** @typedef {{segment: number, position: number, start: number, before: string, found: string, after: string, replacement: string}} Hit */
/** @typedef {{transcription: string, revision: number, name: string, url: string, total: number, hits: Hit[]}} Found */
/** @typedef {{found: Found[], looked: number, cursor: string | null, total?: number, series?: string, terms?: string}} Preview */
/** @typedef {{transcription: string, outcome: string}} Outcome */

class Group {
  /** @param {Found} found */
  constructor(found) {
    this.found = found;
    this.isDone = false;
    this.box = element("input", { type: "checkbox", checked: true });
    this.places = element("span", { class: "soft" }, text("series_places", { number: found.total }));
    /** @type {HTMLInputElement[]} */
    this.boxes = found.hits.map(() => element("input", { type: "checkbox", checked: true }));
    const open = element("a", { href: found.url, target: "_blank", rel: "noopener" }, text("open"));
    const name = element("label", { class: "series__name" }, this.box, element("strong", {}, found.name));
    this.hits = element("ul", { class: "series__hits" }, ...found.hits.map((hit, at) => line(hit, this.boxes[at])));
    this.node = element("li", { class: "series__group" }, name, this.places, open, this.hits);
  }

  /** How many places are to be replaced. */
  get chosen() {
    return this.box.checked ? this.found.total - this.skipped.length : 0;
  }

  get skipped() {
    return this.found.hits.filter((_hit, at) => !this.boxes[at]?.checked);
  }

  get target() {
    const { transcription, revision } = this.found;
    return { transcription, revision, skip: this.skipped.map(({ segment, position }) => [segment, position]) };
  }

  /** @param {boolean} ticked */
  tick(ticked) {
    if (this.isDone) return;
    this.box.checked = ticked;
    if (ticked) for (const box of this.boxes) box.checked = true;
  }

  /** Hits of a recording that is left out can't be ticked, nor anything while it is being replaced. @param {boolean} isBusy */
  show(isBusy) {
    this.box.disabled = this.isDone || isBusy;
    for (const box of this.boxes) box.disabled = this.box.disabled || !this.box.checked;
  }

  /** @param {string} outcome */
  done(outcome) {
    this.isDone = true;
    for (const box of [this.box, ...this.boxes]) box.disabled = true;
    this.box.checked = false;
    this.places.textContent = text(`outcome_${outcome}`);
    this.node.classList.toggle("series__group--kept", outcome !== "replaced");
  }
}

class SeriesPage {
  /** @type {Map<string, Group>} */
  #groups = new Map();
  #drawn = 0;
  #series = "";
  #terms = "";
  #isBusy = false;
  /** What runs is to end with the request that is on its way. */
  #isStopped = false;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.form = find(root, "form", HTMLFormElement);
    this.lookButton = find(root, "[data-look]", HTMLButtonElement);
    this.stopButton = find(root, "[data-stop]", HTMLButtonElement);
    this.replaceButton = find(root, "[data-replace]", HTMLButtonElement);
    this.progress = find(root, "[data-progress]", HTMLProgressElement);
    this.said = find(root, "[data-said]", HTMLElement);
    this.panel = find(root, "[data-found]", HTMLElement);
    this.list = find(root, "[data-list]", HTMLElement);
    this.chosen = find(root, "[data-chosen]", HTMLElement);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#run((search) => this.#look(search));
    });
    this.form.addEventListener("input", (event) => this.#input(event));
    this.stopButton.addEventListener("click", () => (this.#isStopped = true));
    this.replaceButton.addEventListener("click", () => this.#run((search) => this.#replace(search)));
    this.list.addEventListener("change", () => this.#tell());
    this.panel.addEventListener("click", (event) => this.#tickAll(closest(event, "[data-tick]")));
    document.addEventListener("click", (event) => {
      const undo = closest(event, "[data-undo]");
      if (undo) this.#run(() => this.#undo(data(undo, "undo")));
    });
    addEventListener("beforeunload", (event) => {
      if (this.#isBusy) event.preventDefault();
    });
  }

  get #search() {
    const given = new FormData(this.form);
    if (given.has("terms")) return { terms: this.#terms };
    return {
      find: String(given.get("find")),
      replacement: String(given.get("replacement")),
      match_case: given.has("match_case"),
      whole_words: given.has("whole_words"),
    };
  }

  get #filters() {
    /** @type {NodeListOf<HTMLInputElement | HTMLSelectElement>} */
    const fields = this.form.querySelectorAll("[data-filter]");
    return Object.fromEntries([...fields].map((field) => [field.name, field.value]));
  }

  /** What was found is not what is asked for any more; another replacement is just shown. @param {Event} event */
  #input(event) {
    if (!closest(event, "[name=replacement]")) return this.#clear();
    const replacement = String(new FormData(this.form).get("replacement"));
    for (const shown of this.list.querySelectorAll("ins")) shown.textContent = replacement;
  }

  #clear() {
    this.#groups.clear();
    this.#drawn = 0;
    this.#terms = "";
    this.list.replaceChildren();
    this.said.textContent = "";
    this.#tell();
  }

  /**
   * Does something slow with what is looked for, one thing at a time. The form is locked meanwhile.
   * @param {(search: object) => Promise<void>} work
   */
  async #run(work) {
    if (this.#isBusy) return;
    const search = this.#search;
    this.#show(true);
    this.progress.value = 0;
    this.#refuse("");
    try {
      await work(search);
    } catch {
      this.#refuse(text("series_failed"));
    }
    this.#show(false);
  }

  /** @param {boolean} isBusy */
  #show(isBusy) {
    this.#isBusy = isBusy;
    this.#isStopped = false;
    find(this.form, "[data-fields]", HTMLFieldSetElement).disabled = isBusy;
    this.lookButton.disabled = isBusy;
    this.stopButton.hidden = !isBusy;
    this.progress.hidden = !isBusy;
    this.#tell();
  }

  /** @param {object} search */
  async #look(search) {
    const filters = this.#filters;
    this.#clear();
    let [looked, total, cursor] = [0, 0, /** @type {string | null} */ (null)];
    do {
      const asked = "terms" in search ? { terms: this.#terms || true } : search;
      const bare = this.#drawn >= MOST_DRAWN;
      const answer = await post(data(this.root, "hitsUrl"), { ...asked, filters, cursor, bare });
      if (!answer.ok) return this.#refuse(await messageOf(answer, "series_failed"));
      /** @type {Preview} */
      const seen = await answer.json();
      this.#series = seen.series ?? this.#series;
      this.#terms = seen.terms ?? this.#terms;
      total = seen.total ?? total;
      looked += seen.looked;
      cursor = seen.cursor;
      for (const found of seen.found) this.#add(found);
      this.progress.value = total ? Math.min(1, looked / total) : 1;
      this.said.textContent = text("series_looked", { looked, total, found: this.#groups.size });
      this.#tell();
    } while (cursor && !this.#isStopped);
    const said = cursor ? "series_stopped" : this.#groups.size ? "series_found" : "series_none";
    this.said.textContent = text(said, { found: this.#groups.size, looked, total });
    if (this.#groups.size) this.list.focus();
  }

  /** @param {Found} found */
  #add(found) {
    if (this.#groups.has(found.transcription)) return;
    const group = new Group(found);
    this.#drawn += found.hits.length;
    this.#groups.set(found.transcription, group);
    this.list.append(group.node);
  }

  /** @param {object} search */
  async #replace(search) {
    const groups = [...this.#groups.values()].filter((group) => group.chosen);
    const waiting = new Map(groups.map((group) => [group.found.transcription, group]));
    const series = this.#series;
    let [places, number, kept] = [0, 0, 0];
    while (waiting.size && !this.#isStopped) {
      const transcripts = [...waiting.values()].slice(0, AT_ONCE).map((group) => group.target);
      const answer = await post(data(this.root, "replaceUrl"), { ...search, series, transcripts });
      if (!answer.ok) {
        this.#refuse(await messageOf(answer, "series_failed"));
        break;
      }
      /** @type {{results: Outcome[]}} */
      const { results } = await answer.json();
      for (const { transcription, outcome } of results) {
        const group = waiting.get(transcription);
        waiting.delete(transcription);
        if (outcome === "replaced") [number, places] = [number + 1, places + (group?.chosen ?? 0)];
        else kept += 1;
        group?.done(outcome);
      }
      this.progress.value = 1 - waiting.size / groups.length;
    }
    this.said.textContent = text(kept ? "series_replaced_but" : "series_replaced", { places, number, kept });
    if (!number) return;
    const run = () => this.#run(() => this.#undo(series));
    toast(this.said.textContent, { action: { label: text("edit_undo"), run } });
    await this.#showEarlier();
  }

  /** @param {string} series */
  async #undo(series) {
    let [number, undone, left] = [0, 1, 1];
    while (left && undone && !this.#isStopped) {
      const answer = await post(data(this.root, "undoUrl").replace(NO_ID, series), {});
      if (!answer.ok) return this.#refuse(await messageOf(answer, "series_failed"));
      ({ undone, left } = /** @type {{undone: number, left: number}} */ (await answer.json()));
      number += undone;
      this.progress.value = number / (number + left || 1);
    }
    this.#clear();
    this.said.textContent = text("series_undone", { number });
    await this.#showEarlier();
  }

  async #showEarlier() {
    const fresh = document.createElement("template");
    fresh.innerHTML = await (await ask(location.href)).text();
    localise(fresh.content);
    find(document, "[data-earlier]", HTMLElement).replaceWith(find(fresh.content, "[data-earlier]", HTMLElement));
  }

  #tell() {
    const groups = [...this.#groups.values()];
    for (const group of groups) group.show(this.#isBusy);
    const chosen = groups.filter((group) => group.chosen);
    const places = chosen.reduce((sum, group) => sum + group.chosen, 0);
    this.panel.hidden = groups.length === 0;
    this.chosen.textContent = text("series_chosen", { places, number: chosen.length });
    this.replaceButton.disabled = this.#isBusy || places === 0;
  }

  /** @param {HTMLElement | null} button */
  #tickAll(button) {
    if (!button || this.#isBusy) return;
    for (const group of this.#groups.values()) group.tick(data(button, "tick") === "all");
    this.#tell();
  }

  /** @param {string} said */
  #refuse(said) {
    const alert = find(this.root, "[data-error]", HTMLElement);
    alert.hidden = said === "";
    alert.textContent = said;
  }
}

/**
 * @param {Hit} hit
 * @param {HTMLInputElement | undefined} box
 */
function line({ start, before, found, after, replacement }, box) {
  const shown = element("span", {}, before, element("del", {}, found), element("ins", {}, replacement), after);
  const time = element("span", { class: "clock faint" }, clock(start));
  return element("li", {}, element("label", { class: "replace__hit" }, box ?? "", time, shown));
}

/**
 * @param {string} address
 * @param {object} body
 */
function post(address, body) {
  const headers = { "Content-Type": "application/json" };
  return ask(address, { method: "POST", headers, body: JSON.stringify(body) });
}

new SeriesPage(find(document, "[data-series]", HTMLElement));
