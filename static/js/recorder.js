// The microphone: record, pause, listen, then send or discard. Nothing heard is lost:
// every second goes to chunks.js, and leaves it when the server has accepted the recording.
import * as chunks from "./chunks.js";
import { element } from "./element.js";
import { clock, stamp } from "./format.js";
import { setIcon } from "./icon.js";
import { Level } from "./level.js";
import { LiveText } from "./livetext.js";
import { mayRecord, openMicrophone, recorderOf } from "./microphone.js";
import { data, find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";
import { uuid } from "./uuid.js";

const CHUNK = 1000;

/** @import { UploadQueue } from "./uploads.js" */
/**
 * @typedef {object} Session from the first sound until it is sent or discarded
 * @property {chunks.Take} take
 * @property {MediaRecorder} media
 * @property {MediaStream} stream
 * @property {() => void} release
 * @property {Blob[]} parts
 * @property {Promise<void>} saving
 * @property {File | null} file the whole, once stopped
 */

export class Recorder {
  /** @type {Session | null} */
  #session = null;
  #heard = 0;
  #since = 0;
  #ticking = 0;

  /**
   * @param {HTMLElement} card
   * @param {UploadQueue} uploads
   */
  constructor(card, uploads) {
    this.uploads = uploads;
    this.opener = find(card, "[data-mic]", HTMLButtonElement);
    this.panel = find(card, "[data-recorder]", HTMLElement);
    this.template = find(card, "[data-recovered-template]", HTMLTemplateElement);
    /** @param {string} name */
    this.find = (name) => find(this.panel, `[data-recorder-${name}]`, HTMLElement);
    this.audio = find(this.panel, "[data-recorder-audio]", HTMLAudioElement);
    this.level = new Level(find(this.panel, "[data-recorder-level]", HTMLCanvasElement));
    this.chosen = find(card, "[name=language]", HTMLSelectElement);
    this.language = find(this.panel, "[data-recorder-language]", HTMLSelectElement);
    const model = find(card, "[name=model]", HTMLSelectElement);
    this.live = new LiveText(this.panel, () => ({ language: this.chosen.value, model: model.value }));
    this.language.addEventListener("change", () => {
      this.chosen.value = this.language.value;
      this.chosen.dispatchEvent(new Event("change", { bubbles: true }));
    });
    for (const menu of [this.chosen, model])
      menu.addEventListener("change", () => {
        this.#offerLanguages();
        this.live.update();
      });
    if (mayRecord()) this.#watch();
    else this.#unavailable(data(card, "micUnavailable"));
  }

  #watch() {
    this.opener.addEventListener("click", () => this.#begin());
    this.find("pause").addEventListener("click", () => this.#pauseOrResume());
    this.find("stop").addEventListener("click", () => this.#session?.media.stop());
    this.find("send").addEventListener("click", () => this.#send());
    this.find("discard").addEventListener("click", () => this.#discard());
    addEventListener("beforeunload", (event) => {
      if (this.#session && !this.#session.file) event.preventDefault();
    });
    this.#offerLeftBehind();
  }

  /** The recorder's menu has what the form's has: it is one choice. */
  #offerLanguages() {
    this.language.replaceChildren(...[...this.chosen.options].map((option) => option.cloneNode(true)));
    this.language.value = this.chosen.value;
  }

  /** @param {string} why */
  #unavailable(why) {
    this.opener.disabled = true;
    find(this.opener, "small", HTMLElement).textContent = why;
  }

  async #begin() {
    this.opener.disabled = true;
    const stream = await openMicrophone();
    if (!stream) {
      this.opener.disabled = false;
      return;
    }
    const session = this.#sessionOf(stream);
    this.#session = session;
    this.#heard = 0;
    session.media.start(CHUNK);
    this.level.paused = false;
    this.panel.hidden = false;
    this.#offerLanguages();
    this.#show("recording");
    this.level.start(stream);
    this.live.start(stream);
    this.#clockRuns(true);
    this.find("stop").focus();
  }

  /**
   * @param {MediaStream} stream
   * @returns {Session}
   */
  #sessionOf(stream) {
    const media = recorderOf(stream);
    const started = new Date();
    const name = text("recording_name", { when: stamp(started) });
    const take = { id: uuid(), name, type: media.mimeType, started: started.getTime() };
    const saving = keep(chunks.begin(take));
    /** @type {Session} */
    const session = { take, media, stream, release: chunks.hold(take.id), parts: [], saving, file: null };
    media.addEventListener("dataavailable", (event) => this.#hear(session, event.data));
    media.addEventListener("stop", () => this.#stopped(session));
    return session;
  }

  /**
   * @param {Session} session
   * @param {Blob} blob
   */
  #hear(session, blob) {
    if (!blob.size) return;
    const number = session.parts.push(blob) - 1;
    session.saving = session.saving.then(() => keep(chunks.append(session.take, number, blob, this.#seconds())));
  }

  #seconds() {
    return (this.#heard + (this.#since ? performance.now() - this.#since : 0)) / 1000;
  }

  /** @param {boolean} runs */
  #clockRuns(runs) {
    clearInterval(this.#ticking);
    if (this.#since) this.#heard += performance.now() - this.#since;
    this.#since = runs ? performance.now() : 0;
    const tick = () => {
      this.find("time").textContent = clock(this.#seconds());
    };
    tick();
    if (runs) this.#ticking = setInterval(tick, 250);
  }

  #pauseOrResume() {
    const media = this.#session?.media;
    if (!media) return;
    const pausing = media.state === "recording";
    if (pausing) media.pause();
    else media.resume();
    this.level.paused = pausing;
    this.live.paused = pausing;
    this.#clockRuns(!pausing);
    this.#show(pausing ? "paused" : "recording");
  }

  /** @param {Session} session */
  async #stopped(session) {
    this.#clockRuns(false);
    this.level.stop();
    this.live.stop();
    for (const track of session.stream.getTracks()) track.stop();
    await session.saving;
    session.file = chunks.fileOf(session.take, session.parts);
    this.audio.src = URL.createObjectURL(session.file);
    this.#show("ready");
    this.find("send").focus();
  }

  #send() {
    if (!this.#session?.file) return;
    const { take, release, file } = this.#session;
    this.uploads.add(file, "microphone", () => {
      chunks.forget(take.id);
      release();
    });
    this.#reset();
  }

  #discard() {
    if (!this.#session) return;
    const { take, release, file } = this.#session;
    const seconds = this.#seconds();
    this.#reset();
    this.#letGo(take, release, () => this.#offer({ ...take, seconds }, file));
  }

  #reset() {
    this.#session = null;
    this.live.forget();
    URL.revokeObjectURL(this.audio.src);
    this.audio.removeAttribute("src");
    this.panel.hidden = true;
    this.opener.disabled = false;
    this.opener.focus();
  }

  /** @param {"recording" | "paused" | "ready"} state */
  #show(state) {
    this.panel.className = `recorder is-${state}`;
    const live = state !== "ready";
    for (const name of ["live", "level", "language", "pause", "stop"]) this.find(name).hidden = !live;
    for (const name of ["audio", "send", "discard"]) this.find(name).hidden = live;
    const pause = this.find("pause");
    setIcon(pause, state === "paused" ? "mic" : "pause");
    find(pause, "span", HTMLElement).textContent = text(state === "paused" ? "mic_resume" : "mic_pause");
    this.find("state").textContent = text(`mic_${state}`);
  }

  async #offerLeftBehind() {
    /** @type {chunks.KeptTake[]} */
    let takes = [];
    try {
      takes = await chunks.leftBehind();
    } catch {
      /* no IndexedDB here: nothing was left behind either */
    }
    for (const take of takes) this.#offer(take);
  }

  /**
   * Forgets a recording, unless somebody takes that back in time. A page that ends before offers it again.
   * @param {chunks.Take} take
   * @param {() => void} release
   * @param {() => void} offer
   */
  #letGo(take, release, offer) {
    const run = () => {
      release();
      offer();
    };
    const after = () => {
      chunks.forget(take.id);
      release();
    };
    toast(text("mic_discarded", { name: take.name }), {
      action: { label: text("edit_undo"), run, lasts: true },
      after,
    });
  }

  /**
   * @param {chunks.KeptTake} take
   * @param {File | null} [known] its sound, where the page has it still
   */
  #offer(take, known = null) {
    const sound = async () => known ?? (await chunks.file(take));
    const offer = find(document.importNode(this.template.content, true), ".recovered", HTMLElement);
    find(offer, "[data-name]", HTMLElement).textContent = `${take.name} (${clock(take.seconds)})`;
    find(offer, "[data-recover]", HTMLButtonElement).addEventListener("click", async () => {
      const release = chunks.hold(take.id);
      offer.remove();
      this.uploads.add(await sound(), "microphone", () => {
        chunks.forget(take.id);
        release();
      });
    });
    find(offer, "[data-save]", HTMLButtonElement).addEventListener("click", async () => save(await sound()));
    find(offer, "[data-discard]", HTMLButtonElement).addEventListener("click", () => {
      const release = chunks.hold(take.id);
      offer.remove();
      this.#letGo(take, release, () => this.#offer(take, known));
    });
    this.template.before(offer);
  }
}

/**
 * A full disk or a private window must not stop the recording: the bytes are in memory too.
 * @param {Promise<unknown>} saving
 */
async function keep(saving) {
  try {
    await saving;
  } catch (error) {
    console.warn("The recording is kept in memory only:", error);
  }
}

/** @param {File} file */
function save(file) {
  const link = element("a", { href: URL.createObjectURL(file), download: file.name });
  link.click();
  URL.revokeObjectURL(link.href);
}
