// The list of recordings: refreshed from the server, row by row, so that focus and open menus survive.
import { localise } from "./localtime.js";
import { ask } from "./page.js";
import { data, find } from "./query.js";
import { LiveSocket } from "./socket.js";

const PAUSE = 300;
const POLL = 10_000;
const DOUBT = 30_000; // after which what is under way is asked for: an event may be lost though the socket is there
const TYPING = 250;

/** @typedef {{type: "ready"} | {type: "changed"} | Advance} Message */
/** @typedef {{type: "progress", recording: string, percent: number}} Advance */

export class RecordingList {
  #timer = 0;
  #poll = 0;
  #asked = 0;
  #remember = false;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.form = find(root, "[data-filters]", HTMLFormElement);
    this.rows = find(root, "[data-rows]", HTMLElement);
    this.state = find(root, "[data-live-state]", HTMLElement);
    /** @type {LiveSocket<Message>} */
    this.socket = new LiveSocket("/ws/recordings/", {
      onMessage: (message) => this.#hear(message),
      onState: (connected) => this.#connected(connected),
      onRefused: () => location.reload(),
    });
    this.#watchFilters();
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.soon();
    });
  }

  /** Refreshes after a pause, in milliseconds, in which more may have changed; however much does, no later. */
  soon(pause = PAUSE) {
    this.#timer ||= setTimeout(() => this.refresh(), pause);
  }

  async refresh() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    const asked = ++this.#asked;
    let answer;
    try {
      const query = this.#query();
      if (this.#remember) query.append("remember", "1");
      this.#remember = false;
      answer = await ask(`${data(this.root, "rowsUrl")}?${query}`);
    } catch {
      setTimeout(() => this.soon(), POLL); // the socket's state tells
      return;
    }
    if (answer.status >= 500) setTimeout(() => this.soon(), POLL);
    if (!answer.ok || asked !== this.#asked) return;
    const fresh = document.createElement("template");
    fresh.innerHTML = await answer.text();
    if (asked === this.#asked) this.#adopt(fresh.content);
  }

  /** How many match, on all pages, or more than that if there are more. */
  get total() {
    return Number(data(find(this.root, "[data-total]", HTMLElement), "total"));
  }

  get andMore() {
    return "andMore" in find(this.root, "[data-total]", HTMLElement).dataset;
  }

  /** When that was so, by the server's clock. */
  get now() {
    return data(find(this.root, "[data-now]", HTMLElement), "now");
  }

  /** The filters of what is shown, as the server reads them. */
  get filters() {
    const query = this.#query();
    query.delete("page");
    query.delete("remember");
    return Object.fromEntries(query);
  }

  /** What is shown: another tab may have made the browser remember another choice. */
  #query() {
    const query = new URLSearchParams(location.search);
    if (!query.has("by")) for (const name of ["by", "key"]) query.append(name, this.#chosen(name));
    return query;
  }

  /** @param {string} name */
  #chosen(name) {
    return String(new FormData(this.form).get(name) ?? "");
  }

  /** @param {Message} message */
  #hear(message) {
    if (message.type === "progress") this.#progress(message);
    else if (message.type === "changed") this.soon();
  }

  /** @param {boolean} connected */
  #connected(connected) {
    this.state.hidden = connected;
    clearInterval(this.#poll);
    if (connected) this.soon();
    this.#poll = setInterval(() => (connected ? this.#doubt() : this.refresh()), connected ? DOUBT : POLL);
  }

  #doubt() {
    if (this.rows.querySelector(".status--queued, .status--running")) this.refresh();
  }

  /** @param {Advance} advance */
  #progress({ recording, percent }) {
    const row = document.getElementById(`row-${recording}`);
    const bar = row?.querySelector("progress");
    if (!row) return; // on another page, or not among those shown
    if (!bar) return this.soon();
    if (!percent || percent < bar.value) return;
    bar.value = percent;
    find(row, "[data-share]", HTMLElement).hidden = false;
    find(row, "[data-percent]", HTMLElement).textContent = String(percent);
  }

  /** @param {DocumentFragment} fresh */
  #adopt(fresh) {
    localise(fresh);
    for (const part of ["summary", "pager", "empty", "now"]) {
      const now = this.root.querySelector(`[data-part="${part}"]`);
      const then = fresh.querySelector(`[data-part="${part}"]`);
      if (now && then && !now.isEqualNode(then)) now.replaceWith(then);
    }
    for (const part of ["[data-quota-warning]", "[data-quota]"]) {
      const now = document.querySelector(part);
      const then = fresh.querySelector(part);
      if (now && then && !now.isEqualNode(then)) now.replaceWith(then);
    }
    /** @type {NodeListOf<HTMLElement>} */
    const rows = fresh.querySelectorAll(".row");
    this.#merge([...rows]);
  }

  /** @param {HTMLElement[]} fresh */
  #merge(fresh) {
    const kept = new Set(fresh.map((row) => row.id));
    for (const row of [...this.rows.children]) if (!kept.has(row.id)) row.remove();
    const known = this.rows.children.length > 0;
    fresh.forEach((row, place) => {
      let now = document.getElementById(row.id);
      if (!now) {
        if (known) row.classList.add("is-new");
        now = row;
      } else if (now.dataset.version !== row.dataset.version && !now.querySelector("details[open]")) {
        this.#renew(now, row);
        now = row;
      }
      if (this.rows.children[place] !== now) this.rows.insertBefore(now, this.rows.children[place] ?? null);
    });
  }

  /**
   * @param {HTMLElement} now
   * @param {HTMLElement} row
   */
  #renew(now, row) {
    const active = document.activeElement;
    const focused = active instanceof HTMLElement && now.contains(active) ? active.dataset.focus : null;
    now.replaceWith(row);
    /** @type {HTMLElement | null} */
    const successor = row.querySelector(`[data-focus="${focused}"]`);
    successor?.focus();
  }

  #watchFilters() {
    const apply = () => {
      const query = new URLSearchParams();
      for (const [name, value] of new FormData(this.form)) if (value) query.append(name, String(value));
      history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
      this.refresh();
    };
    let typing = 0;
    this.form.addEventListener("input", (event) => {
      const { name } = /** @type {HTMLInputElement | HTMLSelectElement} */ (event.target);
      if (name === "by") this.#offer();
      if (name === "by" || name === "key") this.#remember = true;
      clearTimeout(typing);
      typing = setTimeout(apply, name === "search" ? TYPING : 0);
    });
    this.form.addEventListener("submit", (event) => {
      if (event.submitter?.hasAttribute("formaction")) return; // to another page, with these filters
      event.preventDefault();
      clearTimeout(typing);
      apply();
    });
  }

  /** Shows what is to choose of the people or of the programs. */
  #offer() {
    const by = this.#chosen("by");
    /** @type {NodeListOf<HTMLSelectElement>} */
    const choices = this.form.querySelectorAll("[data-of]");
    for (const choice of choices) choice.hidden = choice.disabled = choice.dataset.of !== by;
  }
}
