// Times of lines: shifted by seconds for one line, some or all; start and end of one line, exactly.
import { messageOf } from "./changes.js";
import { element } from "./element.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

const PREVIEW = 40; // characters of a line in the list of lines
const RANGE = 500; // lines in it

/** @import { Changes } from "./changes.js" */
/** @import { Transcript } from "./transcript.js" */

export class Times {
  #index = 0;
  /** Start or end was written, not worked out. */
  #isWritten = false;

  /**
   * @param {Transcript} transcript
   * @param {Changes} changes
   */
  constructor(transcript, changes) {
    this.transcript = transcript;
    this.changes = changes;
    this.dialog = find(document, "#times", HTMLDialogElement);
    this.form = find(this.dialog, "form", HTMLFormElement);
    this.seconds = find(this.form, "[name=seconds]", HTMLInputElement);
    this.start = find(this.form, "[name=start]", HTMLInputElement);
    this.end = find(this.form, "[name=end]", HTMLInputElement);
    this.exact = find(this.form, "[data-exact]", HTMLElement);
    this.last = find(this.form, "[name=last]", HTMLSelectElement);
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.form.addEventListener("submit", (event) => this.#save(event), { signal });
    this.form.addEventListener("click", (event) => this.#nudge(closest(event, "[data-nudge]")), { signal });
    this.form.addEventListener("change", (event) => this.#changed(event), { signal });
    this.seconds.addEventListener("input", () => this.#fill(), { signal });
    this.exact.addEventListener("input", () => (this.#isWritten = true), { signal });
  }

  close() {
    this.stop.abort();
  }

  get #item() {
    return this.transcript.segments[this.#index];
  }

  get #reach() {
    return String(new FormData(this.form).get("reach"));
  }

  /** @param {HTMLElement | undefined} item the line that it begins with */
  open(item) {
    this.#index = Math.max(0, Number(item?.dataset.index ?? 0));
    if (!this.#item) return;
    this.form.reset();
    const time = find(this.#item, ".segment__time", HTMLElement).textContent;
    find(this.form, "[data-times-line]", HTMLElement).textContent = text("times_line", { time });
    this.last.replaceChildren(...this.#lines());
    this.#fill();
    this.#refuse("");
    this.exact.hidden = false;
    this.dialog.showModal();
    this.seconds.select();
  }

  #lines() {
    return this.transcript.segments.slice(this.#index, this.#index + RANGE).map((line) => {
      const said = find(line, ".segment__text", HTMLElement).textContent.trim();
      const start = said.length > PREVIEW ? `${said.slice(0, PREVIEW)}…` : said;
      const time = find(line, ".segment__time", HTMLElement).textContent;
      return element("option", { value: data(line, "index") }, `${time} ${start}`);
    });
  }

  /** @param {HTMLElement | null} button */
  #nudge(button) {
    if (!button) return;
    const seconds = Number(this.seconds.value) + Number(data(button, "nudge"));
    this.seconds.value = String(Math.round(seconds * 1000) / 1000);
    this.#fill();
  }

  /** Start and end follow the seconds. */
  #fill() {
    if (!this.#item) return;
    this.#isWritten = false;
    const by = Number(this.seconds.value);
    this.start.value = clocked(Number(data(this.#item, "start")) + by);
    this.end.value = clocked(Number(data(this.#item, "end")) + by);
  }

  /** @param {Event} event */
  #changed(event) {
    if (event.target === this.last) find(this.form, "[name=reach][value=range]", HTMLInputElement).checked = true;
    this.exact.hidden = this.#reach !== "line";
  }

  /** @param {SubmitEvent} event */
  async #save(event) {
    event.preventDefault();
    const item = this.#item;
    if (!item) return;
    const reach = this.#reach;
    const isExact = reach === "line" && this.#isWritten;
    const [start, end] = [secondsOf(this.start.value), secondsOf(this.end.value)];
    if (isExact && (Number.isNaN(start) || Number.isNaN(end))) return this.#refuse(text("times_unreadable"));
    const ends = { line: this.#index, range: Number(this.last.value) };
    const last = reach === "line" || reach === "range" ? ends[reach] : this.transcript.total - 1;
    const first = reach === "all" ? 0 : this.#index;
    const seconds = Number(this.seconds.value);
    const answer = await (isExact
      ? this.#send(data(this.form, "address").replace("shift/", `${this.#index}/times/`), {
          start,
          end,
          etag: data(item, "etag"),
        })
      : this.#send(data(this.form, "address"), { first, last, seconds, etag: String(this.changes.revision) }));
    if (!answer) return;
    await this.changes.made(await answer.json());
    this.dialog.close();
    toast(text("edit_saved"), { action: { label: text("edit_undo"), run: () => this.changes.undo() } });
  }

  /**
   * @param {string} address
   * @param {object} body
   */
  async #send(address, body) {
    try {
      const answer = await this.changes.post(address, body);
      if (answer.ok) return answer;
      if (answer.status === 412) await this.changes.renew();
      this.#refuse(await messageOf(answer, "speakers_failed"));
    } catch {
      this.#refuse(text("speakers_failed"));
    }
    return undefined;
  }

  /** @param {string} said */
  #refuse(said) {
    const alert = find(this.form, "[data-times-error]", HTMLElement);
    alert.hidden = said === "";
    alert.textContent = said;
  }
}

/** @param {number} seconds */
function rounded(seconds) {
  return Math.round(seconds * 1000) / 1000;
}

/**
 * Returns a time as `1:02:03.450`.
 * @param {number} seconds
 */
function clocked(seconds) {
  const whole = rounded(Math.max(0, seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = (whole % 60).toFixed(3).padStart(6, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/**
 * Returns the seconds of `1:02:03.45`, `2:03,45` or `123.45`; NaN for anything else.
 * @param {string} written
 */
function secondsOf(written) {
  const parts = written.trim().replace(",", ".").split(":");
  if (parts.length > 3 || !parts.every((part) => /^\d+(\.\d*)?$/.test(part))) return Number.NaN;
  return rounded(parts.reduce((sum, part) => 60 * sum + Number(part), 0));
}
