// What is struck out of the text: selected words, or the line that somebody went to, are struck, or given back.
import { messageOf } from "./changes.js";
import { chosenOf } from "./chosen.js";
import { data, find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

/** @import { Change, Changes } from "./changes.js" */
/** @import { Transcript } from "./transcript.js" */

export class Strikes {
  /**
   * @param {HTMLElement} bar
   * @param {Transcript} transcript
   * @param {Changes | null} changes null for who may not correct
   */
  constructor(bar, transcript, changes) {
    this.bar = bar;
    this.transcript = transcript;
    this.changes = changes;
    this.count = find(bar, "[data-strikes-count]", HTMLElement);
    find(bar, "[data-strikes-next]", HTMLButtonElement).addEventListener("click", () => this.go());
    /** @type {HTMLElement | null} */
    const button = document.querySelector("[data-strike]");
    button?.addEventListener("mousedown", (event) => event.preventDefault()); // the selection stays
    button?.addEventListener("click", () => this.strike());
    for (const name of ["changed", "more"]) transcript.root.addEventListener(name, () => this.#tell());
    this.#tell();
  }

  /** Goes to the next line of which something is struck. */
  go() {
    const places = this.#places;
    const line = places.find((one) => one.place > this.transcript.picked) ?? places[0];
    if (!line) return;
    this.transcript.pick(line);
    this.count.textContent = text("strike_place", { number: places.indexOf(line) + 1, total: places.length });
  }

  async strike() {
    const { changes } = this;
    if (!changes) return;
    const chosen = chosenOf(this.transcript);
    if (!chosen) return void toast(text("strike_nothing"), { error: true });
    const { isStruck, ...what } = chosen;
    const body = { ...what, struck: !isStruck, etag: String(changes.revision) };
    const answer = await changes.post(data(this.bar, "address"), body).catch(() => null);
    if (!answer?.ok) {
      if (answer?.status === 412) await changes.renew();
      return void toast(answer ? await messageOf(answer) : text("edit_failed"), { error: true });
    }
    const isWider = "first" in what && this.#isUntimed(what.first, what.last);
    getSelection()?.removeAllRanges();
    /** @type {Change} */
    const change = await answer.json();
    await changes.made(change);
    const undo = { label: text("edit_undo"), run: () => void changes.undo() };
    toast(text(isStruck ? "strike_back" : isWider ? "strike_line" : "strike_done"), { action: undo });
  }

  /**
   * Whether somewhere in some lines words are selected whose times nobody knows.
   * @param {number} first
   * @param {number} last
   */
  #isUntimed(first, last) {
    return (
      getSelection()?.isCollapsed === false &&
      this.transcript.segments.slice(first, last + 1).some((line) => line.isWhole && !line.element?.dataset.words)
    );
  }

  get #places() {
    return this.transcript.lines.filter((line) => line.struck);
  }

  #tell() {
    const number = this.#places.length;
    this.bar.hidden = number === 0;
    const link = document.querySelector("[data-when-struck]");
    if (number) link?.removeAttribute("hidden");
    this.count.textContent = text(number === 1 ? "strike_one" : "strike_many", { number });
  }
}
