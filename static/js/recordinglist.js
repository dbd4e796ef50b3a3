// The list of recordings: refreshed from the server, row by row, so that focus and open menus survive.
import { localise } from "./localtime.js";
import { ask } from "./page.js";
import { LiveSocket } from "./socket.js";

const PAUSE = 300;
const POLL = 10_000;
const TYPING = 250;

export class RecordingList {
  #timer = 0;
  #poll = 0;
  #asked = 0;

  constructor(root) {
    this.root = root;
    this.form = root.querySelector("[data-filters]");
    this.rows = root.querySelector("[data-rows]");
    this.state = root.querySelector("[data-live-state]");
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

  /** Refreshes after a pause in which more may have changed. */
  soon(pause = PAUSE) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.refresh(), pause);
  }

  async refresh() {
    clearTimeout(this.#timer);
    const asked = ++this.#asked;
    let answer;
    try {
      answer = await ask(this.root.dataset.rowsUrl + location.search);
    } catch {
      return; // the socket's state tells, and the next round tries again
    }
    if (!answer.ok || asked !== this.#asked) return;
    const fresh = document.createElement("template");
    fresh.innerHTML = await answer.text();
    if (asked === this.#asked) this.#adopt(fresh.content);
  }

  #hear(message) {
    if (message.type === "progress") this.#progress(message);
    else if (message.type === "changed") this.soon();
  }

  #connected(connected) {
    this.state.hidden = connected;
    clearInterval(this.#poll);
    if (connected) this.soon();
    else this.#poll = setInterval(() => this.refresh(), POLL);
  }

  #progress({ recording, percent }) {
    const row = document.getElementById(`row-${recording}`);
    const bar = row?.querySelector("progress");
    if (!bar || !bar.hasAttribute("value")) return this.soon();
    if (percent < bar.value) return;
    bar.value = percent;
    row.querySelector("[data-percent]").textContent = percent;
  }

  #adopt(fresh) {
    localise(fresh);
    for (const part of ["summary", "pager", "empty"]) {
      const now = this.root.querySelector(`[data-part="${part}"]`);
      const then = fresh.querySelector(`[data-part="${part}"]`);
      if (now && then && !now.isEqualNode(then)) now.replaceWith(then);
    }
    const quota = document.querySelector("[data-quota]");
    const freshQuota = fresh.querySelector("[data-quota]");
    if (quota && freshQuota && !quota.isEqualNode(freshQuota)) quota.replaceWith(freshQuota);
    this.#merge([...fresh.querySelectorAll(".row")]);
  }

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
        now = document.getElementById(row.id);
      }
      if (this.rows.children[place] !== now) this.rows.insertBefore(now, this.rows.children[place] ?? null);
    });
  }

  #renew(now, row) {
    const focused = now.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
    now.replaceWith(row);
    if (focused) row.querySelector(`[data-focus="${focused}"]`)?.focus();
  }

  #watchFilters() {
    const apply = () => {
      const query = new URLSearchParams([...new FormData(this.form)].filter(([, value]) => value));
      history.replaceState(null, "", `${location.pathname}${query.size ? `?${query}` : ""}`);
      this.refresh();
    };
    let typing = 0;
    this.form.addEventListener("input", (event) => {
      clearTimeout(typing);
      typing = setTimeout(apply, event.target.matches("select") ? 0 : TYPING);
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(typing);
      apply();
    });
  }
}
