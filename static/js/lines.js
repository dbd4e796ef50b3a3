// The lines of a transcript as data. An element shows a line while it is near the window, and comes and goes with it in a
// long transcript; in a short one all lines have theirs. What a line is, it is without its element.
import { element } from "./element.js";
import { clock } from "./format.js";
import { icon } from "./icon.js";
import { find } from "./query.js";
import { text } from "./strings.js";

const MASK = "█████"; // as transcription/strikes writes it

/** @import { Block } from "./linewindow.js" */
/** @typedef {{label: string, colour: number}} Voice */
/** @typedef {{doubt?: string, overlap?: number, struck?: 1 | 2, readable?: string}} More what few lines have */
/** @typedef {[start: number, end: number, text: string | null, speaker: number | null, more?: More]} Row */
/**
 * @typedef {object} Outline as portal/web/transcript_outline.py has it
 * @property {number} revision
 * @property {number} total segments
 * @property {boolean} voiced
 * @property {Record<string, Voice>} speakers
 * @property {Row[]} rows
 */

export class Line {
  /** @type {HTMLElement | null} what shows it now */
  element = null;
  /** Whether `element` is as the server has it, with its words, its tag and what it is unsure of. */
  isWhole = false;
  /** The element as the server has it, to be shown again. */
  html = "";
  /** @type {Block | null} where it is in a long transcript, unless it is hidden */
  block = null;
  /** Among all lines. */
  place = -1;
  /** The revision that gave it another index; 0 for none since it came. */
  moved = 0;
  /** A filter leaves it out. */
  hidden = false;
  /** It stays where only lines to check are shown. */
  kept = false;
  /** What stands beside it. */
  beside = "";
  /** Why it is to be checked. */
  doubt = "";
  overlap = false;
  /** Of its text: nothing, something, all. @type {0 | 1 | 2} */
  struck = 0;
  /** @type {string | undefined} empty for nobody; undefined where lines don't say who speaks */
  speaker = undefined;
  /** @type {Voice | undefined} */
  voice = undefined;
  #readable = "";

  /**
   * @param {number} start in seconds
   * @param {number} end
   * @param {number | null} index of its segment; null for speech without text
   * @param {string} text
   */
  constructor(start, end, index, text) {
    this.start = start;
    this.end = end;
    this.index = index;
    this.text = text;
  }

  /** Its text as it goes out: without what is struck. */
  get readable() {
    return this.#readable || this.text.trim();
  }

  get time() {
    return clock(this.start);
  }

  /** The start of its text, with its time. @param {number} length */
  preview(length) {
    const said = this.text.trim();
    return said.length > length ? `${said.slice(0, length)}…` : said;
  }

  /**
   * @param {Row} row
   * @param {number} index
   * @param {Outline} outline
   */
  static ofRow([start, end, said, speaker, more], index, { voiced, speakers }) {
    const line = new Line(start, end, said === null ? null : index, said ?? "");
    line.doubt = said === null ? text("gap_until", { until: clock(end) }) : (more?.doubt ?? "");
    if (voiced && said !== null) {
      line.speaker = speaker === null ? "" : String(speaker);
      line.voice = speakers[line.speaker];
    }
    if (!more) return line;
    line.overlap = Boolean(more.overlap);
    line.struck = more.struck ?? 0;
    line.#readable = more.readable ?? "";
    return line;
  }

  /** @param {HTMLElement} item as the server has it */
  static ofElement(item) {
    const { start, end, index, speaker } = item.dataset;
    const shown = item.querySelector(".segment__text");
    const line = new Line(Number(start), Number(end), index === undefined ? null : Number(index), "");
    line.element = item;
    line.isWhole = true;
    line.text = shown?.textContent ?? "";
    line.doubt = item.querySelector(".segment__doubt")?.textContent.trim() ?? "";
    line.overlap = item.querySelector(".segment__overlap") !== null;
    line.speaker = speaker;
    const colour = [...item.classList].find((name) => name.startsWith("voice--"))?.slice("voice--".length);
    const label = item.querySelector(".segment__speaker")?.textContent.trim() ?? "";
    line.voice = speaker && colour ? { label, colour: Number(colour) } : undefined;
    if (item.dataset.struck === undefined || !shown) return line;
    const copy = /** @type {Element} */ (shown.cloneNode(true));
    for (const struck of copy.querySelectorAll(".struck")) struck.textContent = MASK;
    line.#readable = copy.textContent.trim().replaceAll(new RegExp(`${MASK}(\\s*${MASK})+`, "g"), MASK);
    for (const struck of copy.querySelectorAll(".struck")) struck.remove();
    line.struck = copy.textContent.trim() ? 1 : 2;
    return line;
  }
}

/**
 * Whether a range has something of the text of a line that has an element.
 * @param {Line} line
 * @param {Range} range
 */
export function isIn({ element: item }, range) {
  const shown = item?.querySelector(".segment__text");
  return Boolean(shown && range.intersectsNode(shown));
}

/** @param {string} lines as the server has them */
export function itemsOf(lines) {
  const page = new DOMParser().parseFromString(lines, "text/html");
  return [...page.body.children].filter((item) => item instanceof HTMLElement);
}

/**
 * Draws a line from what is known of it.
 * @param {Line} line
 * @param {boolean} goesOn
 * @param {HTMLElement[]} tools
 */
export function draw(line, goesOn, tools) {
  const { index, start, end, speaker, voice, doubt } = line;
  const kind = index === null ? " segment--gap" : speaker === undefined ? "" : " segment--voiced";
  const colour = voice ? ` voice--${voice.colour}` : "";
  const item = element(
    "li",
    {
      class: `segment segment--seekable${kind}${goesOn ? " segment--goes-on" : ""}${colour}`,
      "data-start": start,
      "data-end": end,
      "data-index": index,
      "data-speaker": speaker,
    },
    element("button", { type: "button", class: "segment__time", tabindex: -1 }, line.time),
  );
  if (index !== null && speaker !== undefined) item.append(voiceOf(line));
  if (index !== null) {
    const said = line.struck === 2 ? element("s", { class: "struck" }, line.text) : line.text;
    item.append(element("span", { class: "segment__text" }, said), ...tools.map((tool) => tool.cloneNode(true)));
  }
  const lang = document.documentElement.lang;
  if (line.overlap)
    item.append(
      element("p", { class: "segment__overlap", lang }, icon("audio-lines", "icon--s"), " ", text("overlap")),
    );
  if (doubt) item.append(element("p", { class: "segment__doubt", lang }, icon("circle-alert", "icon--s"), ` ${doubt}`));
  return item;
}

/** @param {Line} line */
function voiceOf({ speaker, voice }) {
  const mark = element("span", { class: "voice__mark", "aria-hidden": "true", "data-mark": true }, markOf(speaker));
  const name = element("span", { class: "segment__speaker" }, voice?.label ?? text("speakers_unknown"));
  return element("span", { class: "segment__voice", lang: document.documentElement.lang }, mark, " ", name);
}

/** @param {string | undefined} speaker */
function markOf(speaker) {
  return speaker ? String(Number(speaker) + 1) : "?";
}

/**
 * Shows who speaks a line.
 * @param {Line} line
 * @param {boolean} goesOn
 */
export function showVoice({ element: item, speaker, voice }, goesOn) {
  if (!item) return;
  const kept = [...item.classList].filter((name) => !name.startsWith("voice--"));
  item.className = [...kept, ...(voice ? [`voice--${voice.colour}`] : [])].join(" ");
  item.classList.toggle("segment--goes-on", goesOn);
  item.dataset.speaker = speaker ?? "";
  find(item, ".segment__speaker", HTMLElement).textContent = voice?.label ?? text("speakers_unknown");
  find(item, "[data-mark]", HTMLElement).textContent = markOf(speaker);
}
