// The audio and its controls.
import { copyAndTell } from "./clipboard.js";
import { clock } from "./format.js";
import { setIcon } from "./icon.js";
import { addressAt } from "./moment.js";
import { find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";
import { Waveform } from "./waveform.js";

export const SKIP = 5;
const STEP_BACK = 1;
const SPEED = "speed";
const RENEW_AFTER = 10_000;

export class Player {
  #frame = 0;
  #renewed = 0;
  #until = Infinity;

  /**
   * @param {HTMLElement} root
   * @param {(seconds: number, playing: boolean) => void} onTime runs while it plays and after each seek
   */
  constructor(root, onTime) {
    this.root = root;
    this.audio = find(root, "audio", HTMLAudioElement);
    this.duration = Number(root.dataset.duration);
    this.onTime = onTime;
    this.waveform = new Waveform(find(root, "[data-wave]", HTMLElement), this.audio, this.duration);
    this.time = find(root, "[data-time]", HTMLElement);
    this.button = find(root, "[data-play]", HTMLButtonElement);
    this.button.addEventListener("click", () => this.toggle());
    find(root, "[data-back]", HTMLButtonElement).addEventListener("click", () => this.skip(-SKIP));
    find(root, "[data-forward]", HTMLButtonElement).addEventListener("click", () => this.skip(SKIP));
    const link = root.querySelector("[data-link]");
    link?.addEventListener("click", () => copyAndTell(addressAt(this.audio.currentTime)));
    this.#watchAudio();
    this.speed = find(root, "[data-speed]", HTMLSelectElement);
    this.#watchSpeed(this.speed);
  }

  close() {
    cancelAnimationFrame(this.#frame);
    this.audio.pause();
  }

  toggle() {
    if (this.audio.paused) this.play();
    else this.audio.pause();
  }

  /** Stops a step before where it was: who stops to type has heard more than is written. */
  stopBackAStep() {
    if (this.audio.paused) return;
    this.audio.pause();
    this.skip(-STEP_BACK);
  }

  /** @param {1 | -1} step in the list of speeds */
  changeSpeed(step) {
    const { options, selectedIndex } = this.speed;
    this.speed.selectedIndex = Math.min(options.length - 1, Math.max(0, selectedIndex + step));
    this.speed.dispatchEvent(new Event("change"));
  }

  async play() {
    try {
      await this.audio.play();
    } catch (error) {
      if (!(error instanceof DOMException && error.name === "AbortError"))
        toast(text("player_failed"), { error: true });
    }
  }

  /**
   * Plays from one time and no further than another.
   * @param {number} start
   * @param {number} end
   */
  playRange(start, end) {
    this.seek(start);
    this.#until = end;
    this.play();
  }

  /** @param {number} seconds */
  skip(seconds) {
    this.#until = Infinity;
    this.waveform.seek(this.audio.currentTime + seconds);
  }

  /** @param {number} seconds */
  seek(seconds) {
    this.#until = Infinity;
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
      if (!playing) this.#until = Infinity;
      setIcon(this.button, playing ? "pause" : "play");
      this.button.setAttribute("aria-label", text(playing ? "player_pause" : "player_play"));
      cancelAnimationFrame(this.#frame);
      follow();
    };
    for (const name of ["play", "pause", "ended"]) this.audio.addEventListener(name, show);
    for (const name of ["seeking", "seeked", "timeupdate"]) this.audio.addEventListener(name, () => this.#tick());
  }

  #tick() {
    if (this.audio.currentTime >= this.#until && !this.audio.seeking) this.audio.pause();
    this.time.textContent = clock(this.audio.currentTime);
    this.waveform.paint();
    this.onTime(this.audio.currentTime, !this.audio.paused);
  }

  /** @param {HTMLSelectElement} select */
  #watchSpeed(select) {
    try {
      const kept = localStorage.getItem(SPEED);
      if (kept !== null && [...select.options].some((option) => option.value === kept)) select.value = kept;
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
}
