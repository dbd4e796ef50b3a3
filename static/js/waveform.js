// The player's waveform: the server's peaks on a canvas, a slider for the keyboard and the screen reader.
import { clock } from "./format.js";
import { ask } from "./page.js";
import { find } from "./query.js";
import { text } from "./strings.js";

const BAR = 2;
const GAP = 1.5;
const STEP = 5;
const BIG_STEP = 30;
const QUIET = 0.05; // silence stays flat: below this nothing is blown up

export class Waveform {
  /** @type {number[]} */
  #peaks = [];

  /**
   * @param {HTMLElement} root
   * @param {HTMLAudioElement} audio
   * @param {number} duration in seconds
   */
  constructor(root, audio, duration) {
    this.root = root;
    this.audio = audio;
    this.duration = duration;
    this.canvas = find(root, "canvas", HTMLCanvasElement);
    new ResizeObserver(() => this.paint()).observe(root);
    document.addEventListener("themechange", () => this.paint());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
    root.addEventListener("keydown", (event) => this.#key(event));
    this.#watchPointer();
    this.#load();
  }

  /** @param {number} seconds */
  seek(seconds) {
    if (this.audio.preload === "none") this.audio.preload = "auto"; // nothing is fetched until somebody wants to hear
    this.audio.currentTime = Math.min(this.duration, Math.max(0, seconds));
    this.paint();
  }

  paint() {
    const { clientWidth: width, clientHeight: height } = this.root;
    const scale = devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * scale)) this.canvas.width = Math.round(width * scale);
    if (this.canvas.height !== Math.round(height * scale)) this.canvas.height = Math.round(height * scale);
    const brush = this.canvas.getContext("2d");
    if (!brush) return;
    brush.setTransform(scale, 0, 0, scale, 0, 0);
    brush.clearRect(0, 0, width, height);
    const style = getComputedStyle(this.root);
    const played = this.duration ? this.audio.currentTime / this.duration : 0;
    const bars = Math.max(1, Math.floor(width / (BAR + GAP)));
    for (let bar = 0; bar < bars; bar += 1) {
      const tall = Math.max(2, this.#loudness(bar / bars, (bar + 1) / bars) * (height - 4));
      brush.fillStyle = (bar + 0.5) / bars <= played ? style.color : style.borderTopColor;
      brush.beginPath();
      brush.roundRect(bar * (BAR + GAP), (height - tall) / 2, BAR, tall, 1);
      brush.fill();
    }
    brush.fillStyle = style.color;
    brush.fillRect(Math.min(width - 1.5, played * width), 0, 1.5, height);
    this.root.setAttribute("aria-valuenow", String(Math.round(this.audio.currentTime)));
    this.root.setAttribute(
      "aria-valuetext",
      text("player_at", { time: clock(this.audio.currentTime), length: clock(this.duration) }),
    );
  }

  async #load() {
    this.paint();
    if (!this.root.dataset.peaks) return; // an even line seeks as well
    try {
      const answer = await ask(this.root.dataset.peaks);
      if (!answer.ok) return;
      /** @type {{peaks: number[]}} */
      const { peaks } = await answer.json();
      const loudest = Math.max(QUIET, ...peaks);
      this.#peaks = peaks.map((peak) => peak / loudest);
    } catch {
      return;
    }
    this.paint();
  }

  /**
   * The loudest peak between two shares of the recording, from 0 to 1.
   * @param {number} from
   * @param {number} to
   */
  #loudness(from, to) {
    const count = this.#peaks.length;
    if (!count) return 0.08;
    const slice = this.#peaks.slice(
      Math.floor(from * count),
      Math.max(Math.floor(from * count) + 1, Math.ceil(to * count)),
    );
    return Math.max(...slice);
  }

  #watchPointer() {
    /** @param {PointerEvent} event */
    const at = (event) => {
      const box = this.root.getBoundingClientRect();
      this.seek(((event.clientX - box.left) / box.width) * this.duration);
    };
    this.root.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.root.setPointerCapture(event.pointerId);
      at(event);
    });
    this.root.addEventListener("pointermove", (event) => {
      if (this.root.hasPointerCapture(event.pointerId)) at(event);
    });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const now = this.audio.currentTime;
    /** @type {Record<string, number>} */
    const places = {
      ArrowLeft: now - STEP,
      ArrowDown: now - STEP,
      ArrowRight: now + STEP,
      ArrowUp: now + STEP,
      PageDown: now - BIG_STEP,
      PageUp: now + BIG_STEP,
      Home: 0,
      End: this.duration,
    };
    const place = places[event.key];
    if (place === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.seek(place);
  }
}
