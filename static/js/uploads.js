// Files on their way to the server: two at a time, each with its progress, cancel and retry; large ones in pieces,
// with a pause.
import { element } from "./element.js";
import { bytes, clock, number } from "./format.js";
import { icon, setIcon } from "./icon.js";
import { lengthOf } from "./mediafile.js";
import { pageHeaders, signedOut } from "./page.js";
import { data, find } from "./query.js";
import { Rate } from "./rate.js";
import { LARGE, Resumable } from "./resumable.js";
import { text } from "./strings.js";
import { uuid } from "./uuid.js";

const AT_ONCE = 2;
/** @typedef {{recording: string, url: string}} Accepted */
/** @typedef {"waiting" | "busy" | "sending" | "paused" | "done" | "failed"} State */
/** @typedef {{message: string, anyway?: boolean}} Problem `anyway`: only our own guess speaks against the file */
/** @typedef {string | (Node | string)[]} Said */

/** @type {Partial<Record<State, string>>} */
const ICONS = { done: "circle-check", failed: "circle-alert" };
const HOPELESS = new Set([400, 413, 415, 422]);

export class UploadQueue {
  /** @type {Upload[]} */
  #waiting = [];
  /** @type {Set<Upload>} */
  #running = new Set();

  /**
   * @param {HTMLElement} card
   * @param {(answer: Accepted) => void} onAccepted runs for each of them
   */
  constructor(card, onAccepted) {
    this.card = card;
    this.form = find(card, "[data-options]", HTMLFormElement);
    this.list = find(card, "[data-uploads]", HTMLElement);
    this.says = find(card, "[data-uploads-say]", HTMLElement);
    this.onAccepted = onAccepted;
    addEventListener("beforeunload", (event) => {
      if (this.#running.size || this.#waiting.length) event.preventDefault();
    });
  }

  /**
   * Sends a file.
   * @param {File} file
   * @param {"upload" | "microphone"} source
   * @param {() => void} [onAccepted] runs when the server has it for good
   */
  add(file, source, onAccepted = () => {}) {
    if (!this.#running.size) for (const done of this.list.querySelectorAll(".is-done")) done.remove();
    const upload = new Upload(this, file, source, new FormData(this.form), onAccepted);
    this.list.append(upload.node);
    this.list.hidden = false;
    this.enqueue(upload);
    return upload;
  }

  /** @param {Upload} upload */
  enqueue(upload) {
    this.#waiting.push(upload);
    this.#next();
  }

  /**
   * The upload neither waits nor runs any more.
   * @param {Upload} upload
   */
  leave(upload) {
    this.#waiting = this.#waiting.filter((other) => other !== upload);
    this.#running.delete(upload);
    this.#next();
  }

  /** @param {Upload} upload */
  remove(upload) {
    const hadFocus = upload.node.contains(document.activeElement);
    upload.node.remove();
    this.list.hidden = !this.list.children.length;
    if (hadFocus) find(this.card, "input[type=file]", HTMLInputElement).focus();
  }

  /** @param {string} message */
  say(message) {
    this.says.textContent = message;
  }

  #next() {
    while (this.#running.size < AT_ONCE) {
      const upload = this.#waiting.shift();
      if (!upload) return;
      this.#running.add(upload);
      upload.start();
    }
  }
}

class Upload {
  /** @type {XMLHttpRequest | null} */
  #request = null;
  #ended = false;
  #knowing = false;
  /** @type {Resumable | null} */
  #pieces = null;
  #rate = new Rate();
  /** Sent again after an answer that was lost, the file is not taken twice. */
  #key = uuid();

  /**
   * @param {UploadQueue} queue
   * @param {File} file
   * @param {string} source
   * @param {FormData} options
   * @param {() => void} onAccepted
   */
  constructor(queue, file, source, options, onAccepted) {
    this.queue = queue;
    this.file = file;
    this.source = source;
    this.options = options;
    this.onAccepted = onAccepted;
    const { name } = file;
    this.note = element("span", { class: "upload__note" }, text("upload_waiting"));
    this.bar = element("progress", { max: 100, value: 0, "aria-label": text("upload_progress", { name }) });
    this.againText = new Text(text("retry"));
    this.again = element(
      "button",
      { type: "button", class: "button button--small", hidden: true },
      icon("rotate-cw", "icon--s"),
      this.againText,
    );
    this.stop = element(
      "button",
      {
        type: "button",
        class: "button button--quiet button--small button--icon",
        "aria-label": text("upload_cancel", { name }),
      },
      icon("x"),
    );
    this.hold = element(
      "button",
      { type: "button", class: "button button--quiet button--small button--icon", hidden: true },
      icon("pause"),
    );
    this.actions = element("div", { class: "upload__actions" }, this.again, this.hold, this.stop);
    this.again.addEventListener("click", () => this.retry());
    this.hold.addEventListener("click", () => this.#pauseOrResume());
    this.stop.addEventListener("click", () => this.cancel());
    const line = element(
      "div",
      { class: "upload__line" },
      element("span", { class: "upload__name truncate" }, name),
      this.note,
    );
    this.node = element(
      "li",
      { class: "upload" },
      icon("file-audio"),
      element("div", {}, line, this.bar),
      this.actions,
    );
  }

  async start() {
    this.#ended = false;
    this.#show("busy", text("upload_checking"));
    const problem = this.#knowing || this.#pieces ? null : await this.#problem();
    if (this.#ended) return;
    if (problem) this.#fail(problem.message, { anyway: problem.anyway ?? false, hopeless: !problem.anyway });
    else this.#send();
  }

  cancel() {
    this.#ended = true;
    this.#request?.abort();
    this.#pieces?.cancel();
    this.queue.leave(this);
    this.queue.remove(this);
    this.queue.say(text("upload_cancelled", { name: this.file.name }));
  }

  retry() {
    this.#show("waiting", text("upload_waiting"));
    this.queue.enqueue(this);
  }

  /**
   * What the server would refuse anyway, said before a byte is sent.
   * @returns {Promise<Problem | null>}
   */
  async #problem() {
    const limits = this.queue.card.dataset;
    const quota = find(document, "[data-quota]", HTMLElement).dataset;
    if (this.file.size === 0) return { message: text("upload_empty") };
    if (this.file.size > Number(limits.maxBytes)) return { message: this.#tooLarge() };
    const seconds = await lengthOf(this.file);
    if (seconds === null) return null;
    if (seconds > Number(limits.maxSeconds) + 1) {
      return {
        message: text("upload_too_long", { length: clock(seconds), limit: clock(Number(limits.maxSeconds)) }),
        anyway: true,
      };
    }
    if (seconds > Number(quota.leftSeconds)) {
      /** @param {number} value */
      const minutes = (value) => number(Math.ceil(value / 60));
      return {
        message: text("upload_over_quota", {
          needed: minutes(seconds),
          left: number(Math.floor(Number(quota.leftSeconds) / 60)),
          date: quota.resets,
        }),
      };
    }
    return null;
  }

  #tooLarge() {
    return text("upload_too_large", {
      size: bytes(this.file.size),
      limit: bytes(Number(this.queue.card.dataset.maxBytes)),
    });
  }

  #send() {
    if (this.file.size > LARGE) this.#sendInPieces();
    else this.#sendAtOnce();
  }

  #sendInPieces() {
    const fields = Object.fromEntries(
      [...this.options].flatMap(([name, value]) => (value ? [[name, String(value)]] : [])),
    );
    this.#pieces ??= new Resumable(
      this.file,
      { ...fields, source: this.source },
      {
        progress: (sent) => this.#progressInPieces(sent),
        lost: () => {
          this.#rate.forget();
          this.note.textContent = text("upload_lost");
        },
        checking: () => this.#progress(1),
        accepted: (said) => this.#accept({ ...said, url: `${data(this.queue.card, "action")}${said.recording}/` }),
        failed: (status, problem) => this.#refused(status, problem?.detail),
      },
    );
    this.#rate.forget();
    this.#show("sending", text("upload_connecting"));
    this.#pieces.start();
  }

  /** @param {number} sent bytes */
  #progressInPieces(sent) {
    const rate = this.#rate.note(sent);
    const so = { sent: bytes(sent), size: bytes(this.file.size) };
    this.bar.value = Math.floor((100 * sent) / this.file.size);
    this.note.textContent =
      rate === null ? `${so.sent} / ${so.size}` : text("upload_rate", { ...so, rate: bytes(rate) });
  }

  #pauseOrResume() {
    if (this.node.classList.contains("is-paused")) {
      this.#show("waiting", text("upload_waiting"));
      this.queue.enqueue(this);
      return;
    }
    this.#ended = true;
    this.#pieces?.pause();
    this.#show("paused", text("upload_paused"));
    this.queue.leave(this);
  }

  #sendAtOnce() {
    const body = new FormData();
    for (const [name, value] of this.options) body.append(name, value);
    body.append("source", this.source);
    body.append("file", this.file, this.file.name); // last: the server reads the options before the bytes

    const request = new XMLHttpRequest();
    this.#request = request;
    request.open("POST", data(this.queue.card, "action"));
    for (const [name, value] of Object.entries(pageHeaders())) request.setRequestHeader(name, value);
    request.setRequestHeader("Accept", "application/json");
    request.setRequestHeader("Idempotency-Key", this.#key);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) this.#progress(event.loaded / event.total);
    });
    request.addEventListener("load", () => this.#answer(request));
    request.addEventListener("error", () => this.#fail(text("upload_broken")));
    request.send(body);
  }

  /** @param {number} share of the bytes, from 0 to 1 */
  #progress(share) {
    const percent = Math.floor(share * 100);
    this.bar.value = percent;
    this.note.textContent =
      share >= 1 ? text("upload_accepting") : `${bytes(this.file.size * share)} / ${bytes(this.file.size)}`;
    if (share >= 1) this.bar.removeAttribute("value");
    if (share >= 1) this.hold.hidden = true;
  }

  /** @param {XMLHttpRequest} request */
  #answer(request) {
    if (request.status === 201) this.#accept(request.response);
    else this.#refused(request.status, request.response?.error?.message);
  }

  /**
   * @param {number} status
   * @param {string} [message] the server's own, where it said anything
   */
  #refused(status, message) {
    if (status === 0) this.#fail(text("upload_broken"));
    else if (status === 401 || (status === 403 && !message)) this.#fail(signedOut());
    else if (status === 413 && !message) this.#fail(this.#tooLarge(), { hopeless: true });
    else this.#fail(message ?? text("upload_refused", { status }), { hopeless: HOPELESS.has(status) });
  }

  /** @param {Accepted} answer */
  #accept(answer) {
    this.#ended = true;
    this.#show("done", text("upload_done"));
    const link = element("a", { href: answer.url, class: "button button--quiet button--small" }, text("open"));
    const { name } = this.file;
    const away = element(
      "button",
      {
        type: "button",
        class: "button button--quiet button--small button--icon",
        "aria-label": text("upload_put_away", { name }),
      },
      icon("x"),
    );
    away.addEventListener("click", () => this.queue.remove(this));
    this.actions.replaceChildren(link, away);
    this.queue.say(text("upload_done_named", { name }));
    this.onAccepted();
    this.queue.leave(this);
    this.queue.onAccepted(answer);
  }

  /**
   * @param {Said} said
   * @param {{anyway?: boolean, hopeless?: boolean}} [options] `anyway`: only our own guess speaks against the file;
   *   `hopeless`: the same file would be refused again
   */
  #fail(said, { anyway = false, hopeless = false } = {}) {
    this.#ended = true;
    this.#knowing = anyway;
    this.#show("failed", said);
    this.again.hidden = hopeless;
    this.againText.data = anyway ? text("upload_anyway") : text("retry");
    this.queue.say(`${this.file.name}: ${this.note.textContent}`);
    this.queue.leave(this);
  }

  /**
   * @param {State} state
   * @param {Said} note
   */
  #show(state, note) {
    this.note.replaceChildren(...[note].flat());
    this.node.className = `upload is-${state}`;
    setIcon(this.node, ICONS[state] ?? "file-audio");
    this.bar.hidden = state === "failed" || state === "done";
    this.again.hidden = state !== "failed";
    this.hold.hidden = state !== "sending" && state !== "paused";
    this.#label(state === "paused");
    if (state === "waiting" && !this.#pieces) this.bar.value = 0;
  }

  /** @param {boolean} paused */
  #label(paused) {
    setIcon(this.hold, paused ? "play" : "pause");
    this.hold.setAttribute("aria-label", text(paused ? "upload_resume" : "upload_pause", { name: this.file.name }));
  }
}
