// The audio and its controls. Keys work wherever nothing else wants them: space, arrows.
import { clock } from "./format.js";
import { setIcon } from "./icon.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";
import { Waveform } from "./waveform.js";

const SKIP = 5;
const SPEED = "speed";
const RENEW_AFTER = 10_000;
const TAKES_KEYS = "input, select, textarea, button, a, summary, dialog, [role=slider], [contenteditable]";

export class Player {
  #frame = 0;
  #renewed = 0;

  /** `onTime(seconds)` runs while it plays and after each seek. */
  constructor(root, onTime) {
    this.root = root;
    this.audio = root.querySelector("audio");
    this.duration = Number(root.dataset.duration);
    this.onTime = onTime;
    this.waveform = new Waveform(root.querySelector("[data-wave]"), this.audio, this.duration);
    this.time = root.querySelector("[data-time]");
    this.button = root.querySelector("[data-play]");
    this.button.addEventListener("click", () => this.toggle());
    root.querySelector("[data-back]").addEventListener("click", () => this.skip(-SKIP));
    root.querySelector("[data-forward]").addEventListener("click", () => this.skip(SKIP));
    this.#watchAudio();
    this.#watchSpeed(root.querySelector("[data-speed]"));
    this.onKey = (event) => this.#key(event);
    document.addEventListener("keydown", this.onKey);
  }

  close() {
    cancelAnimationFrame(this.#frame);
    document.removeEventListener("keydown", this.onKey);
    this.audio.pause();
  }

  toggle() {
    if (this.audio.paused) this.play();
    else this.audio.pause();
  }

  async play() {
    try {
      await this.audio.play();
    } catch (error) {
      if (error.name !== "AbortError") toast(text("player_failed"), { error: true });
    }
  }

  skip(seconds) {
    this.waveform.seek(this.audio.currentTime + seconds);
  }

  seek(seconds) {
    this.waveform.seek(seconds);
  }

  /** The address of the sound in a bucket is good for a while: then another one is asked for, once. */
  #renew() {
    if (Date.now() - this.#renewed < RENEW_AFTER) return;
    this.#renewed = Date.now();
    const { currentTime, paused } = this.audio;
    this.audio.load();
    this.audio.currentTime = currentTime;
    if (!paused) this.play();
  }

  #watchAudio() {
    this.audio.addEventListener("error", () => this.#renew());
    const follow = () => {
      this.#tick();
      if (!this.audio.paused) this.#frame = requestAnimationFrame(follow);
    };
    const show = () => {
      const playing = !this.audio.paused;
      setIcon(this.button, playing ? "pause" : "play");
      this.button.setAttribute("aria-label", text(playing ? "player_pause" : "player_play"));
      cancelAnimationFrame(this.#frame);
      follow();
    };
    for (const name of ["play", "pause", "ended"]) this.audio.addEventListener(name, show);
    for (const name of ["seeking", "seeked", "timeupdate"]) this.audio.addEventListener(name, () => this.#tick());
  }

  #tick() {
    this.time.textContent = clock(this.audio.currentTime);
    this.waveform.paint();
    this.onTime(this.audio.currentTime);
  }

  #watchSpeed(select) {
    try {
      const kept = localStorage.getItem(SPEED);
      if ([...select.options].some((option) => option.value === kept)) select.value = kept;
    } catch {
      /* the usual speed, then */
    }
    const apply = () => {
      this.audio.defaultPlaybackRate = Number(select.value);
      this.audio.playbackRate = Number(select.value);
    };
    apply();
    select.addEventListener("change", () => {
      apply();
      try {
        localStorage.setItem(SPEED, select.value);
      } catch {
        /* not remembered */
      }
    });
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(TAKES_KEYS)) return;
    const doings = { " ": () => this.toggle(), ArrowLeft: () => this.skip(-SKIP), ArrowRight: () => this.skip(SKIP) };
    if (!(event.key in doings)) return;
    event.preventDefault();
    doings[event.key]();
  }
}
