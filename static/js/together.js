// Several people on one transcript: who is here and where, and what others change, as it comes. Pages tell each other
// where they are through the socket, again and again, and forget who is silent. What stands is always the server's.
import { element } from "./element.js";
import { data, find } from "./query.js";
import { showName } from "./rename.js";
import { LiveSocket } from "./socket.js";
import { text } from "./strings.js";

const AGAIN = 10_000; // milliseconds after which a page says anew where it is
const GONE = 25_000; // after which one that is silent is gone
const TYPING = 20_000; // after the last key: people listen while they correct
const SETTLE = 300; // in which places, and revisions, are gathered
const RETRY = 2_000;
const MOST = 6; // people who are shown one by one
const COLOURS = 8;

/** @import { Changes } from "./changes.js" */
/** @import { Transcript } from "./transcript.js" */
/** @import { Checked } from "./walk.js" */
/** @typedef {{type: "here", page: string, user: number, name: string, own: boolean, segment: number | null, typing: boolean}} Here */
/** @typedef {Here & {heard: number}} Person */
/** @typedef {Here | {type: "gone", page: string} | {type: "ask"} | {type: "comments"} | {type: "name", name: string} | {type: "latest", latest: boolean} | ({type: "checks"} & Checked) | {type: "revision", revision: number}} Message */

export class Together {
  /** @type {Map<string, Person>} by page */
  #people = new Map();
  #typed = -Infinity;
  /** @type {Element | null | undefined} the line of the last key */
  #typedIn;
  #revision = 0;
  #following = false;
  #telling = 0;
  #said = "";

  /**
   * @param {HTMLElement} bar
   * @param {Transcript} transcript
   * @param {Changes} changes
   */
  constructor(bar, transcript, changes) {
    this.bar = bar;
    this.list = find(bar, "[data-present-list]", HTMLElement);
    this.says = find(bar, "[data-present-say]", HTMLElement);
    this.transcript = transcript;
    this.changes = changes;
    const { root } = transcript;
    this.stop = new AbortController();
    const { signal } = this.stop;
    /** @type {LiveSocket<Message>} */
    this.socket = new LiveSocket(`/ws/transcripts/${data(root, "transcriptOf")}/`, {
      onMessage: (message) => this.#hear(message),
      onState: () => this.#forget(),
      onRefused: () => location.reload(),
    });
    root.addEventListener("focusin", () => this.#tellSoon(), { signal });
    root.addEventListener("focusout", () => this.#tellSoon(), { signal });
    root.addEventListener(
      "input",
      () => {
        this.#typed = performance.now();
        this.#typedIn = document.activeElement?.closest("[data-index]");
        this.#tellSoon();
      },
      { signal },
    );
    for (const name of ["changed", "drawn"]) root.addEventListener(name, () => this.#draw(), { signal });
    this.timer = setInterval(() => this.#beat(), AGAIN / 4);
    this.beats = 0;
  }

  close() {
    this.stop.abort();
    clearInterval(this.timer);
    clearTimeout(this.#telling);
    this.socket.close();
  }

  /**
   * Who types in a line, on another page.
   * @param {number} index
   * @returns {string | undefined}
   */
  typedBy(index) {
    return [...this.#people.values()].find((person) => person.typing && person.segment === index)?.name;
  }

  /** Somebody checked something. @param {Checked} _checked */
  onChecks = (_checked) => {};

  /** What is said about the recording changed. */
  onComments = () => {};

  /** @param {Message} message */
  #hear(message) {
    if (message.type === "revision") {
      this.#revision = Math.max(this.#revision, message.revision);
      this.#follow();
    } else if (message.type === "checks") {
      this.onChecks(message);
    } else if (message.type === "comments") {
      this.onComments();
    } else if (message.type === "name") {
      showName(message.name);
    } else if (message.type === "latest") {
      find(document, "[data-other-text]", HTMLElement).hidden = message.latest;
    } else if (message.type === "ask") {
      this.#said = "";
      this.#tellSoon();
    } else if (message.type === "gone") {
      this.#people.delete(message.page);
      this.#draw();
    } else {
      const isNew = !this.#people.has(message.page);
      this.#people.set(message.page, { ...message, heard: performance.now() });
      this.#draw();
      if (isNew && !message.own) this.says.textContent = text("present_came", { name: message.name });
    }
  }

  /** Shows others' changes, one after the other; tries again where one can't be shown yet. */
  async #follow() {
    if (this.#following) return;
    this.#following = true;
    try {
      while (this.#revision > this.changes.revision && !this.changes.isStale && !this.stop.signal.aborted) {
        await new Promise((done) => setTimeout(done, SETTLE));
        const isShown = await this.changes.follow(this.#revision).catch(() => false);
        if (!isShown) await new Promise((done) => setTimeout(done, RETRY));
      }
    } finally {
      this.#following = false;
    }
  }

  #beat() {
    const before = performance.now() - GONE;
    for (const [page, { heard }] of this.#people) if (heard < before) this.#people.delete(page);
    this.#draw();
    this.beats += 1;
    if (this.beats % 4 === 0) this.#said = "";
    this.#tellSoon();
    if (this.changes.isStale) this.changes.renew().catch(() => {});
    else this.#follow();
  }

  #forget() {
    this.#people.clear();
    this.#said = "";
    this.#draw();
  }

  #tellSoon() {
    this.#telling ||= setTimeout(() => this.#tell(), SETTLE);
  }

  #tell() {
    this.#telling = 0;
    const item = document.activeElement?.closest("[data-index]");
    const segment = this.transcript.focused?.index ?? null;
    const isOpen = segment !== null && document.activeElement instanceof HTMLTextAreaElement;
    const typing = isOpen && item === this.#typedIn && performance.now() - this.#typed < TYPING;
    const said = JSON.stringify({ type: "here", segment, typing });
    if (said === this.#said || !this.socket.connected) return;
    this.#said = said;
    this.socket.send({ type: "here", segment, typing });
  }

  /** People are shown once, however many pages they have open; and at the lines where they are. */
  #draw() {
    const pages = [...this.#people.values()];
    const others = new Map(pages.filter((person) => !person.own).map((person) => [person.user, person]));
    const shown = [...others.values()].sort((a, b) => a.name.localeCompare(b.name));
    const items = shown.slice(0, MOST).map((person) => element("li", {}, chip(person), ` ${person.name}`));
    if (shown.length > MOST) items.push(element("li", {}, text("present_more", { n: shown.length - MOST })));
    const drawn = items.map((item) => item.textContent).join();
    if (this.list.dataset.drawn !== drawn) {
      this.list.dataset.drawn = drawn;
      this.list.replaceChildren(...items);
    }
    this.bar.hidden = shown.length === 0;
    for (const mark of this.transcript.root.querySelectorAll("[data-person]")) mark.remove();
    const { segments } = this.transcript;
    for (const person of pages) {
      const item = person.segment === null ? undefined : segments[person.segment]?.element;
      if (!item || (person.own && !person.typing)) continue;
      const label = text(person.typing ? "present_typing" : "present_here", { name: person.name });
      item.append(element("p", { class: "segment__person", "data-person": true }, chip(person), ` ${label}`));
    }
  }
}

/** @param {Here} person */
function chip({ user, name }) {
  const colour = `voice--${user % COLOURS}`;
  return element(
    "span",
    { class: `present__chip ${colour}`, "aria-hidden": "true" },
    [...name][0]?.toUpperCase() ?? "?",
  );
}
