// Enrols a voice: three sentences are recorded, each is checked by the server, and all are sent together. Without this
// script the form takes three files.
import { messageOf } from "./changes.js";
import { setIcon } from "./icon.js";
import { Level } from "./level.js";
import { mayRecord, openMicrophone, recorderOf } from "./microphone.js";
import { ask } from "./page.js";
import { data, find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

const LONGEST = 14_000; // milliseconds

class Sentence {
  /** @type {MediaRecorder | null} */
  #media = null;
  #timer = 0;

  /**
   * @param {HTMLElement} item
   * @param {string} address where a recording is checked
   */
  constructor(item, address) {
    this.item = item;
    this.address = address;
    this.button = find(item, "[data-record]", HTMLButtonElement);
    this.label = find(item, "[data-record-label]", HTMLElement);
    this.canvas = find(item, "[data-level]", HTMLCanvasElement);
    this.level = new Level(this.canvas);
    this.audio = find(item, "[data-audio]", HTMLAudioElement);
    this.input = find(item, "[data-file]", HTMLInputElement);
    this.state = find(item, "[data-state]", HTMLElement);
    find(item, "[data-record-row]", HTMLElement).hidden = false;
    find(item, "[data-file-row]", HTMLElement).hidden = true;
    this.button.addEventListener("click", () => (this.#media ? this.#media.stop() : this.#begin()));
  }

  /**
   * @param {string} message
   * @param {"" | "good" | "bad"} kind
   */
  say(message, kind = "") {
    this.state.textContent = message;
    this.state.classList.toggle("is-bad", kind === "bad");
    this.state.classList.toggle("is-good", kind === "good");
  }

  async #begin() {
    this.button.disabled = true;
    const stream = await openMicrophone();
    this.button.disabled = false;
    if (!stream) return;
    const media = recorderOf(stream);
    this.#media = media;
    /** @type {Blob[]} */
    const parts = [];
    media.addEventListener("dataavailable", (event) => parts.push(event.data));
    media.addEventListener("stop", () => this.#stopped(stream, new Blob(parts, { type: media.mimeType })));
    media.start();
    this.#timer = setTimeout(() => media.stop(), LONGEST);
    this.audio.hidden = true;
    this.canvas.hidden = false;
    this.level.start(stream);
    this.say(text("voice_read"));
    this.#draw("square", "voice_stop");
  }

  /**
   * @param {MediaStream} stream
   * @param {Blob} sound
   */
  async #stopped(stream, sound) {
    clearTimeout(this.#timer);
    this.#media = null;
    this.level.stop();
    for (const track of stream.getTracks()) track.stop();
    this.canvas.hidden = true;
    this.#draw("mic", "voice_again");
    URL.revokeObjectURL(this.audio.src);
    this.audio.src = URL.createObjectURL(sound);
    this.audio.hidden = false;
    this.input.value = "";
    await this.#check(new File([sound], `${this.input.name}.${sound.type.includes("mp4") ? "m4a" : "webm"}`));
  }

  /** @param {File} file */
  async #check(file) {
    this.button.disabled = true;
    this.say(text("voice_checking"));
    const body = new FormData();
    body.append("sentence", file);
    try {
      const answer = await ask(this.address, { method: "POST", body });
      if (answer.ok) {
        const chosen = new DataTransfer();
        chosen.items.add(file);
        this.input.files = chosen.files;
        this.say(text("voice_good"), "good");
      } else this.say(await messageOf(answer, "voice_failed"), "bad");
    } catch {
      this.say(text("voice_failed"), "bad");
    }
    this.button.disabled = false;
  }

  /**
   * @param {string} icon
   * @param {string} label
   */
  #draw(icon, label) {
    setIcon(this.button, icon);
    this.label.textContent = text(label);
  }
}

/** @param {HTMLElement} card */
function watch(card) {
  const form = find(card, "[data-voice-form]", HTMLFormElement);
  /** @type {NodeListOf<HTMLElement>} */
  const items = card.querySelectorAll("[data-sentence]");
  const sentences = [...items].map((item) => new Sentence(item, data(card, "check")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, sentences);
  });
}

/**
 * @param {HTMLFormElement} form
 * @param {Sentence[]} sentences
 */
async function send(form, sentences) {
  const missing = sentences.filter((sentence) => !sentence.input.files?.length);
  for (const sentence of missing) sentence.say(text("voice_missing"), "bad");
  if (missing[0]) return missing[0].button.focus();
  const button = find(form, "[data-enrol]", HTMLButtonElement);
  button.disabled = true;
  try {
    const headers = { Accept: "application/json" };
    const answer = await ask(form.action, { method: "POST", body: new FormData(form), headers });
    if (answer.ok) return location.reload();
    /** @type {{sentences?: Record<string, string>}} */
    const said = await answer
      .clone()
      .json()
      .catch(() => ({}));
    for (const sentence of sentences) {
      const why = said.sentences?.[sentence.input.name];
      if (why) sentence.say(why, "bad");
    }
    toast(await messageOf(answer, "voice_failed"), { error: true });
  } catch {
    toast(text("voice_failed"), { error: true });
  }
  button.disabled = false;
}

/** @type {HTMLElement | null} */
const card = document.querySelector("[data-voice]");
if (card && mayRecord()) watch(card);
