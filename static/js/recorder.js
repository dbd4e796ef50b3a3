// The microphone: record, pause, listen, then send or discard. Nothing heard is lost:
// every second goes to chunks.js, and leaves it when the server has accepted the recording.
import * as chunks from "./chunks.js";
import { element } from "./element.js";
import { clock, stamp } from "./format.js";
import { setIcon } from "./icon.js";
import { Level } from "./level.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
const CHUNK = 1000;

export class Recorder {
  #take = null;
  #release = () => {};
  #media = null;
  #stream = null;
  #saving = Promise.resolve();
  #parts = [];
  #heard = 0;
  #since = 0;
  #ticking = 0;
  #file = null;

  constructor(card, uploads) {
    this.uploads = uploads;
    this.opener = card.querySelector("[data-mic]");
    this.panel = card.querySelector("[data-recorder]");
    this.template = card.querySelector("[data-recovered-template]");
    this.find = (name) => this.panel.querySelector(`[data-recorder-${name}]`);
    this.level = new Level(this.find("level"));
    if (!navigator.mediaDevices || !globalThis.MediaRecorder) return this.#unavailable(card);
    this.opener.addEventListener("click", () => this.#begin());
    this.find("pause").addEventListener("click", () => this.#pauseOrResume());
    this.find("stop").addEventListener("click", () => this.#media.stop());
    this.find("send").addEventListener("click", () => this.#send());
    this.find("discard").addEventListener("click", () => this.#discard());
    addEventListener("beforeunload", (event) => {
      if (this.#media) event.preventDefault();
    });
    this.#offerLeftBehind();
  }

  #unavailable(card) {
    this.opener.disabled = true;
    this.opener.querySelector("small").textContent = card.dataset.micUnavailable;
  }

  async #begin() {
    this.opener.disabled = true;
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true },
      });
    } catch (error) {
      this.opener.disabled = false;
      return toast(text(error.name === "NotFoundError" ? "mic_missing" : "mic_denied"), { error: true });
    }
    const type = TYPES.find((candidate) => MediaRecorder.isTypeSupported(candidate)) ?? "";
    const started = new Date();
    this.#media = new MediaRecorder(this.#stream, { mimeType: type, audioBitsPerSecond: 64_000 });
    this.#take = {
      id: uuid(),
      name: text("recording_name", { when: stamp(started) }),
      type: this.#media.mimeType,
      started: started.getTime(),
    };
    this.#release = chunks.hold(this.#take.id);
    this.#parts = [];
    this.#heard = 0;
    this.#saving = this.#keep(chunks.begin(this.#take));
    this.#media.addEventListener("dataavailable", (event) => this.#hear(event.data));
    this.#media.addEventListener("stop", () => this.#stopped());
    this.#media.start(CHUNK);
    this.level.paused = false;
    this.panel.hidden = false;
    this.#show("recording");
    this.level.start(this.#stream);
    this.#clockRuns(true);
    this.find("stop").focus();
  }

  #hear(blob) {
    if (!blob.size) return;
    const number = this.#parts.push(blob) - 1;
    const { ...take } = this.#take;
    this.#saving = this.#saving.then(() => this.#keep(chunks.append(take, number, blob, this.#seconds())));
  }

  /** A full disk or a private window must not stop the recording: the bytes are in memory too. */
  async #keep(saving) {
    try {
      await saving;
    } catch (error) {
      console.warn("The recording is kept in memory only:", error);
    }
  }

  #seconds() {
    return (this.#heard + (this.#since ? performance.now() - this.#since : 0)) / 1000;
  }

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
    const pausing = this.#media.state === "recording";
    if (pausing) this.#media.pause();
    else this.#media.resume();
    this.level.paused = pausing;
    this.#clockRuns(!pausing);
    this.#show(pausing ? "paused" : "recording");
  }

  async #stopped() {
    this.#clockRuns(false);
    this.level.stop();
    for (const track of this.#stream.getTracks()) track.stop();
    this.#media = null;
    await this.#saving;
    const type = this.#take.type.split(";")[0];
    const extension = type === "audio/mp4" ? "m4a" : type.split("/")[1];
    this.#file = new File(this.#parts, `${this.#take.name}.${extension}`, { type });
    this.find("audio").src = URL.createObjectURL(this.#file);
    this.#show("ready");
    this.find("send").focus();
  }

  #send() {
    const { id } = this.#take;
    const release = this.#release;
    this.uploads.add(this.#file, "microphone", () => {
      chunks.forget(id);
      release();
    });
    this.#reset();
  }

  #discard() {
    chunks.forget(this.#take.id);
    this.#release();
    this.#reset();
  }

  #reset() {
    URL.revokeObjectURL(this.find("audio").src);
    this.find("audio").removeAttribute("src");
    this.#parts = [];
    this.panel.hidden = true;
    this.opener.disabled = false;
    this.opener.focus();
  }

  #show(state) {
    this.panel.className = `recorder is-${state}`;
    const live = state !== "ready";
    for (const name of ["live", "level", "pause", "stop"]) this.find(name).hidden = !live;
    for (const name of ["audio", "send", "discard"]) this.find(name).hidden = live;
    setIcon(this.find("pause"), state === "paused" ? "mic" : "pause");
    this.find("pause").lastElementChild.textContent = text(state === "paused" ? "mic_resume" : "mic_pause");
    this.find("state").textContent = text(`mic_${state}`);
  }

  async #offerLeftBehind() {
    let takes = [];
    try {
      takes = await chunks.leftBehind();
    } catch {
      /* no IndexedDB here: nothing was left behind either */
    }
    for (const take of takes) this.#offer(take);
  }

  #offer(take) {
    const offer = this.template.content.firstElementChild.cloneNode(true);
    offer.querySelector("[data-name]").textContent = `${take.name} (${clock(take.seconds)})`;
    offer.querySelector("[data-recover]").addEventListener("click", async () => {
      const release = chunks.hold(take.id);
      offer.remove();
      this.uploads.add(await chunks.file(take), "microphone", () => {
        chunks.forget(take.id);
        release();
      });
    });
    offer.querySelector("[data-save]").addEventListener("click", async () => save(await chunks.file(take)));
    offer.querySelector("[data-discard]").addEventListener("click", () => {
      chunks.forget(take.id);
      offer.remove();
    });
    this.template.before(offer);
  }
}

function save(file) {
  const link = element("a", { href: URL.createObjectURL(file), download: file.name });
  link.click();
  URL.revokeObjectURL(link.href);
}

/** crypto.randomUUID is missing over plain http. */
function uuid() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
