// The times of a line, or of several, on a stretch of the waveform: the edges of one line are dragged, or moved by the
// arrows; the region between them moves as a whole. Whoever opens it says how far they may go.
import { clocked, rounded } from "./format.js";
import { ask } from "./page.js";
import { closest, data, find } from "./query.js";

const SHORTEST = 0.05; // seconds that are left of a line
const LEAST_SPAN = 1; // seconds that are shown
const BAR = 3; // pixels
const STEPS = { fine: 0.01, coarse: 0.1, second: 1 };

/** @typedef {{start: number, end: number}} Span */
/** @typedef {{start: number, step: number, peaks: number[]}} Peaks `step` in seconds */
/** @typedef {"start" | "end" | "both"} Part */

export class TimesWave {
  /** @type {Span} */
  #region = { start: 0, end: 0 };
  /** How far the region may go. @type {Span} */
  #limits = { start: 0, end: 0 };
  /** @type {Span} */
  #view = { start: 0, end: 1 };
  /** @type {Peaks} */
  #peaks = { start: 0, step: 1, peaks: [] };
  /** @type {Span[]} */
  #others = [];
  #asked = 0;

  /**
   * @param {HTMLElement} root
   * @param {(region: Span, part: Part) => void} onMove runs while a part is moved
   * @param {AbortSignal} signal ends it
   */
  constructor(root, onMove, signal) {
    this.root = root;
    this.onMove = onMove;
    this.duration = Number(data(root, "duration"));
    this.canvas = find(root, "canvas", HTMLCanvasElement);
    this.body = find(root, "[data-part=both]", HTMLElement);
    this.handles = {
      start: find(root, "[data-part=start]", HTMLElement),
      end: find(root, "[data-part=end]", HTMLElement),
    };
    new ResizeObserver(() => this.#paint()).observe(root);
    document.addEventListener("themechange", () => this.#paint(), { signal });
    root.addEventListener("pointerdown", (event) => this.#drag(event));
    root.addEventListener("keydown", (event) => this.#key(event));
  }

  /**
   * Shows a region in the middle, with the lines beside it.
   * @param {Span} region
   * @param {Span} limits
   * @param {Span[]} others
   * @param {boolean} hasEdges false where only the whole may be moved
   */
  open(region, limits, others, hasEdges) {
    this.#limits = limits;
    this.#others = others;
    for (const handle of Object.values(this.handles)) handle.hidden = !hasEdges;
    this.#region = region;
    this.#look(Math.max(2 * (region.end - region.start), 4 * LEAST_SPAN));
  }

  /** Shows another region, which somebody wrote. @param {Span} region */
  show(region) {
    if (Number.isNaN(region.start) || Number.isNaN(region.end)) return;
    this.#region = region;
    this.#paint();
  }

  get region() {
    return this.#region;
  }

  /** @param {number} factor above 1 shows more */
  zoom(factor) {
    this.#look((this.#view.end - this.#view.start) * factor);
  }

  /** @param {number} span seconds that are shown around the region */
  #look(span) {
    const shown = Math.min(this.duration, Math.max(LEAST_SPAN, span));
    const middle = (this.#region.start + this.#region.end) / 2;
    const start = Math.max(0, Math.min(this.duration - shown, middle - shown / 2));
    this.#view = { start, end: start + shown };
    this.#paint();
    this.#load();
  }

  async #load() {
    const asked = ++this.#asked;
    const { start, end } = this.#view;
    try {
      const answer = await ask(`${data(this.root, "address")}?start=${start.toFixed(3)}&end=${end.toFixed(3)}`);
      if (!answer.ok || asked !== this.#asked) return;
      this.#peaks = await answer.json();
    } catch {
      return; // an even line is dragged as well
    }
    this.#paint();
  }

  #paint() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const scale = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    const brush = this.canvas.getContext("2d");
    if (!brush) return;
    brush.scale(scale, scale);
    const style = getComputedStyle(this.root);
    const seconds = (this.#view.end - this.#view.start) / Math.max(1, width);
    brush.fillStyle = style.borderTopColor;
    brush.globalAlpha = 0.35;
    for (const { start, end } of this.#others) {
      if (end > this.#view.start && start < this.#view.end)
        brush.fillRect((start - this.#view.start) / seconds, 0, (end - start) / seconds, height);
    }
    brush.globalAlpha = 1;
    const loudest = Math.max(0.05, ...this.#peaks.peaks);
    for (let x = 0; x < width; x += BAR) {
      const at = this.#view.start + x * seconds;
      const tall = Math.max(1, (this.#loudness(at, at + BAR * seconds) / loudest) * (height - 4));
      brush.fillStyle = at >= this.#region.start && at < this.#region.end ? style.color : style.borderTopColor;
      brush.fillRect(x, (height - tall) / 2, BAR - 1, tall);
    }
    this.#place();
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  #loudness(from, to) {
    const { start, step, peaks } = this.#peaks;
    const first = Math.floor((from - start) / step);
    return Math.max(0, ...peaks.slice(Math.max(0, first), Math.max(first + 1, Math.ceil((to - start) / step))));
  }

  /** Puts the handles where the region begins and ends. */
  #place() {
    const share = (/** @type {number} */ at) => {
      const whole = (at - this.#view.start) / (this.#view.end - this.#view.start);
      return Math.min(1, Math.max(0, whole));
    };
    const [from, to] = [share(this.#region.start), share(this.#region.end)];
    this.body.style.insetInlineStart = `${100 * from}%`;
    this.body.style.inlineSize = `${100 * (to - from)}%`;
    for (const part of /** @type {const} */ (["start", "end"])) {
      const handle = this.handles[part];
      const [least, most] = this.#reach(part);
      handle.style.insetInlineStart = `${100 * share(this.#region[part])}%`;
      handle.setAttribute("aria-valuemin", least.toFixed(3));
      handle.setAttribute("aria-valuemax", most.toFixed(3));
      handle.setAttribute("aria-valuenow", this.#region[part].toFixed(3));
      handle.setAttribute("aria-valuetext", clocked(this.#region[part]));
    }
  }

  /**
   * From where to where an edge may go.
   * @param {"start" | "end"} part
   * @returns {[number, number]}
   */
  #reach(part) {
    const { start, end } = this.#region;
    return part === "start" ? [this.#limits.start, end - SHORTEST] : [start + SHORTEST, this.#limits.end];
  }

  /**
   * @param {Part} part
   * @param {number} by seconds from where `from` was
   * @param {Span} from
   */
  #move(part, by, from) {
    if (part === "both") {
      const least = Math.min(0, this.#limits.start - from.start);
      const most = Math.max(0, this.#limits.end - from.end);
      const moved = Math.min(most, Math.max(least, by));
      this.#region = { start: rounded(from.start + moved), end: rounded(from.end + moved) };
    } else {
      const [least, most] = this.#reach(part);
      const wanted = Math.min(most, Math.max(least, from[part] + by));
      this.#region = { ...this.#region, [part]: rounded(wanted) };
    }
    this.#paint();
    this.onMove(this.#region, part);
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    const grip = closest(event, "[data-part]");
    if (!grip || event.button !== 0) return;
    const part = /** @type {Part} */ (data(grip, "part"));
    const from = { ...this.#region };
    const seconds = (this.#view.end - this.#view.start) / Math.max(1, this.canvas.clientWidth);
    const right = getComputedStyle(this.root).direction === "rtl" ? -1 : 1;
    const stop = new AbortController();
    const { signal } = stop;
    grip.setPointerCapture(event.pointerId);
    grip.focus();
    event.preventDefault();
    const move = (/** @type {PointerEvent} */ to) =>
      this.#move(part, right * (to.clientX - event.clientX) * seconds, from);
    grip.addEventListener("pointermove", move, { signal });
    for (const name of ["pointerup", "pointercancel"]) grip.addEventListener(name, () => stop.abort(), { signal });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const grip = closest(event, "[role=slider]");
    if (!grip || event.ctrlKey || event.metaKey || event.altKey) return;
    const part = /** @type {"start" | "end"} */ (data(grip, "part"));
    const step = event.shiftKey ? STEPS.coarse : STEPS.fine;
    const [least, most] = this.#reach(part);
    /** @type {Record<string, number>} */
    const moves = {
      ArrowLeft: -step,
      ArrowDown: -step,
      ArrowRight: step,
      ArrowUp: step,
      PageDown: -STEPS.second,
      PageUp: STEPS.second,
      Home: least - this.#region[part],
      End: most - this.#region[part],
    };
    const by = moves[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.#move(part, by, this.#region);
  }
}
