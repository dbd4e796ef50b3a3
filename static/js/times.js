// Times of lines: shifted by seconds for one line, some or all; start and end of one line, exactly.
import { messageOf } from "./changes.js";
import { element } from "./element.js";
import { clocked, rounded } from "./format.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";
import { TimesWave } from "./timeswave.js";
import { toast } from "./toast.js";

const PREVIEW = 40; // characters of a line in the list of lines
const RANGE = 500; // lines in it

/** @import { Changes } from "./changes.js" */
/** @import { Player } from "./player.js" */
/** @import { Part, Span } from "./timeswave.js" */
/** @import { Line } from "./lines.js" */
/** @import { Transcript } from "./transcript.js" */

export class Times {
  #index = 0;
  /** Start or end was written, or moved, not worked out. */
  #isWritten = false;
  /** From where to where the lines go that are shifted. @type {Span} */
  #base = { start: 0, end: 0 };
  /** While it plays. @type {AbortController | null} */
  #listening = null;

  /**
   * @param {Transcript} transcript
   * @param {Changes} changes
   * @param {Player | null} player
   */
  constructor(transcript, changes, player) {
    this.transcript = transcript;
    this.changes = changes;
    this.player = player;
    this.dialog = find(document, "#times", HTMLDialogElement);
    this.form = find(this.dialog, "form", HTMLFormElement);
    this.seconds = find(this.form, "[name=seconds]", HTMLInputElement);
    this.start = find(this.form, "[name=start]", HTMLInputElement);
    this.end = find(this.form, "[name=end]", HTMLInputElement);
    this.exact = find(this.form, "[data-exact]", HTMLElement);
    this.last = find(this.form, "[name=last]", HTMLSelectElement);
    this.stop = new AbortController();
    const { signal } = this.stop;
    const wave = find(this.form, "[data-times-wave]", HTMLElement);
    this.wave = new TimesWave(wave, (region, part) => this.#moved(region, part), signal);
    this.form.addEventListener("submit", (event) => this.#save(event), { signal });
    this.form.addEventListener("click", (event) => this.#click(event), { signal });
    this.form.addEventListener("change", (event) => this.#changed(event), { signal });
    this.seconds.addEventListener("input", () => this.#fill(), { signal });
    this.exact.addEventListener("input", () => this.#written(), { signal });
    this.dialog.addEventListener("close", () => this.#hush(), { signal });
  }

  close() {
    this.stop.abort();
    this.#hush();
  }

  get #line() {
    return this.transcript.segments[this.#index];
  }

  get #reach() {
    return String(new FormData(this.form).get("reach"));
  }

  /** @param {Line | undefined} line that it begins with */
  open(line) {
    this.#index = Math.max(0, Number(line?.index ?? 0));
    if (!this.#line) return;
    this.form.reset();
    const { time } = this.#line;
    find(this.form, "[data-times-line]", HTMLElement).textContent = text("times_line", { time });
    this.last.replaceChildren(...this.#lines());
    this.#fill();
    this.#refuse("");
    this.exact.hidden = false;
    this.dialog.showModal();
    this.#openWave();
    this.seconds.select();
  }

  #lines() {
    const lines = this.transcript.segments.slice(this.#index, this.#index + RANGE);
    return lines.map((line) => element("option", { value: line.index }, `${line.time} ${line.preview(PREVIEW)}`));
  }

  /** Whether one line gets the start and the end that stand there, and is not shifted. */
  get #isExact() {
    return this.#reach === "line" && this.#isWritten;
  }

  /** The first and the last line that are to be shifted. */
  get #ends() {
    const reach = this.#reach;
    const ends = { line: this.#index, range: Number(this.last.value) };
    const last = reach === "line" || reach === "range" ? ends[reach] : this.transcript.total - 1;
    return { first: reach === "all" ? 0 : this.#index, last };
  }

  /** Shows on the waveform what is shifted, and how far: up to the lines beside it, where these don't overlap anyway. */
  #openWave() {
    const { first, last } = this.#ends;
    const lines = this.transcript.segments;
    const own = lines.slice(first, last + 1);
    const start = own[0]?.start ?? 0;
    const end = own.reduce((most, line) => Math.max(most, line.end), 0);
    const before = Math.max(0, ...lines.slice(Math.max(0, first - 1), first).map((line) => line.end));
    const after = Math.min(this.wave.duration, ...lines.slice(last + 1, last + 2).map((line) => line.start));
    const limits = { start: Math.min(start, before), end: Math.max(end, after) };
    const others = lines.filter((_line, at) => at < first || at > last);
    this.wave.open({ start, end }, limits, others, this.#reach === "line");
    this.#base = { start, end };
    if (!this.#isExact) this.#fill();
  }

  /**
   * Somebody moved an edge, or all of it, on the waveform.
   * @param {Span} region
   * @param {Part} part
   */
  #moved(region, part) {
    if (part === "both" && !this.#isExact) {
      this.seconds.value = String(rounded(region.start - this.#base.start));
      return this.#fill(false);
    }
    this.start.value = clocked(region.start);
    this.end.value = clocked(region.end);
    this.#isWritten = true;
  }

  /** Somebody wrote a start or an end. */
  #written() {
    this.#isWritten = true;
    this.wave.show({ start: secondsOf(this.start.value), end: secondsOf(this.end.value) });
  }

  /** Plays what is on the waveform between the edges. */
  #listen() {
    const { player } = this;
    if (!player) return;
    const { start, end } = this.wave.region;
    this.#hush();
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    player.audio.addEventListener("timeupdate", () => player.audio.currentTime >= end && this.#hush(), { signal });
    player.seek(start);
    player.play();
  }

  #hush() {
    if (!this.#listening) return;
    this.#listening.abort();
    this.#listening = null;
    this.player?.audio.pause();
  }

  /** @param {Event} event */
  #click(event) {
    const zoom = closest(event, "[data-zoom]");
    if (zoom) this.wave.zoom(Number(data(zoom, "zoom")));
    if (closest(event, "[data-listen]")) this.#listen();
    this.#nudge(closest(event, "[data-nudge]"));
  }

  /** @param {HTMLElement | null} button */
  #nudge(button) {
    if (!button) return;
    const seconds = Number(this.seconds.value) + Number(data(button, "nudge"));
    this.seconds.value = String(Math.round(seconds * 1000) / 1000);
    this.#fill();
  }

  /** Start and end, and the waveform unless it says so itself, follow the seconds. */
  #fill(isShown = true) {
    if (!this.#line) return;
    this.#isWritten = false;
    const by = Number(this.seconds.value);
    if (isShown) this.wave.show({ start: this.#base.start + by, end: this.#base.end + by });
    this.start.value = clocked(this.#line.start + by);
    this.end.value = clocked(this.#line.end + by);
  }

  /** @param {Event} event */
  #changed(event) {
    if (event.target === this.last) find(this.form, "[name=reach][value=range]", HTMLInputElement).checked = true;
    this.exact.hidden = this.#reach !== "line";
    if (event.target instanceof HTMLElement && event.target.closest("fieldset")) this.#openWave();
  }

  /** @param {SubmitEvent} event */
  async #save(event) {
    event.preventDefault();
    const line = this.#line;
    if (!line) return;
    const isExact = this.#isExact;
    const [start, end] = [secondsOf(this.start.value), secondsOf(this.end.value)];
    if (isExact && (Number.isNaN(start) || Number.isNaN(end))) return this.#refuse(text("times_unreadable"));
    const { first, last } = this.#ends;
    const seconds = Number(this.seconds.value);
    const item = isExact ? await this.transcript.whole(line) : null;
    if (isExact && !item) return this.#refuse(text("speakers_failed"));
    const answer = await (item
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

/**
 * Returns the seconds of `1:02:03.45`, `2:03,45` or `123.45`; NaN for anything else.
 * @param {string} written
 */
function secondsOf(written) {
  const parts = written.trim().replace(",", ".").split(":");
  if (parts.length > 3 || !parts.every((part) => /^\d+(\.\d*)?$/.test(part))) return Number.NaN;
  return rounded(parts.reduce((sum, part) => 60 * sum + Number(part), 0));
}
