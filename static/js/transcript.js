// The segments of a finished transcription: what is spoken now is marked and kept in view.
import { Words } from "./words.js";

const FAR = 1.5; // windows away: jump instead of racing through the text
const SCROLL_KEYS = new Set(["PageUp", "PageDown", "Home", "End"]);

export class Transcript {
  #spoken = -1;
  #following = true;
  #words = null;

  /** `onSeek(seconds)` runs when a person picks a segment. */
  constructor(root, onSeek) {
    this.root = root;
    this.onSeek = onSeek;
    this.items = [...root.querySelectorAll("[data-start]")];
    this.starts = this.items.map((item) => Number(item.dataset.start));
    this.ends = this.items.map((item) => Number(item.dataset.end));
    this.follower = document.querySelector("[data-follow]");
    this.follower?.addEventListener("click", () => this.follow());
    root.addEventListener("click", (event) => this.#click(event));
    root.addEventListener("keydown", (event) => this.#key(event));
    this.#rove(0);
    this.stop = new AbortController();
    const { signal } = this.stop;
    for (const name of ["wheel", "touchmove"])
      document.addEventListener(name, () => this.#letGo(), { passive: true, signal });
    document.addEventListener(
      "keydown",
      (event) => {
        if (SCROLL_KEYS.has(event.key) && !event.target.closest("[role=slider]")) this.#letGo();
      },
      { signal },
    );
  }

  close() {
    this.stop.abort();
    this.#words?.leave();
  }

  get text() {
    return this.items.map((item) => item.querySelector(".segment__text").textContent.trim()).join("\n");
  }

  /** Marks the segment spoken at `seconds`, and in it the word. */
  at(seconds, playing) {
    this.playing = playing;
    const place = this.#placeOf(seconds);
    if (place !== this.#spoken) this.#move(place);
    this.#words?.at(seconds);
  }

  /** The text of `item` was corrected: its words stand elsewhere now. */
  renewed(item) {
    if (this.items[this.#spoken] !== item) return;
    this.#words?.leave();
    this.#words = item.dataset.words ? new Words(item) : null;
  }

  #move(place) {
    const before = this.items[this.#spoken];
    before?.classList.remove("is-spoken");
    before?.removeAttribute("aria-current");
    this.#spoken = place;
    this.#words?.leave();
    const item = this.items[place];
    this.#words = item?.dataset.words ? new Words(item) : null;
    if (!item) return;
    item.classList.add("is-spoken");
    item.setAttribute("aria-current", "true");
    if (this.#following && this.playing) this.#show(item);
  }

  follow() {
    this.#following = true;
    if (this.follower) this.follower.hidden = true;
    if (this.items[this.#spoken]) this.#show(this.items[this.#spoken]);
  }

  #letGo() {
    if (!this.playing) return;
    this.#following = false;
    if (this.follower) this.follower.hidden = false;
  }

  #show(item) {
    const far = Math.abs(item.getBoundingClientRect().top - innerHeight / 2) > FAR * innerHeight;
    const smooth = !far && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    item.scrollIntoView({ block: far ? "center" : "nearest", behavior: smooth ? "smooth" : "auto" });
  }

  /** The last segment that has begun, unless it ended more than a second ago. */
  #placeOf(seconds) {
    let low = 0;
    let high = this.starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle] <= seconds + 0.01) low = middle + 1;
      else high = middle;
    }
    const place = low - 1;
    return place >= 0 && seconds <= this.ends[place] + 1 ? place : -1;
  }

  #click(event) {
    const item = event.target.closest("[data-start]");
    if (!item || !getSelection().isCollapsed || event.target.closest("[data-edit], .segment__editor")) return;
    const place = this.items.indexOf(item);
    this.#rove(place);
    this.#following = true;
    if (this.follower) this.follower.hidden = true;
    const word = item.dataset.words ? new Words(item).startUnder(event) : undefined;
    this.onSeek(word ?? this.starts[place]);
  }

  /** One tab stop for the whole list; the arrows walk it. */
  #key(event) {
    const button = event.target.closest("button.segment__time");
    if (!button) return;
    const here = this.items.indexOf(button.closest("[data-start]"));
    const places = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: this.items.length - 1 };
    const item = this.items[places[event.key]];
    if (!item) return;
    event.preventDefault();
    this.#rove(this.items.indexOf(item));
    item.querySelector("button").focus();
  }

  #rove(place) {
    this.items[this.roving]?.querySelector("button")?.setAttribute("tabindex", "-1");
    this.items[place]?.querySelector("button")?.setAttribute("tabindex", "0");
    this.roving = place;
  }
}
