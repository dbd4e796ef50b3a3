// The videos with subtitles of a transcript, in the dialog of its subtitles: asked for with the limits chosen there, and
// watched until they are there. They are made whether or not somebody watches.
import { messageOf } from "./changes.js";
import { element } from "./element.js";
import { ask } from "./page.js";
import { closest, data, find } from "./query.js";
import { text } from "./strings.js";
import { toast } from "./toast.js";

const LOOK = 2000; // milliseconds

/**
 * @typedef {object} Video as portal/web/videos.py has it
 * @property {string} id
 * @property {string} label
 * @property {boolean} beside
 * @property {number} percent
 * @property {boolean} waits
 * @property {string} error
 * @property {string} note
 * @property {string} delete
 * @property {string} [address]
 * @property {string} [size]
 */

export class Videos {
  #timer = 0;
  #drawn = "";

  /**
   * @param {HTMLElement} root
   * @param {HTMLFormElement} form whose limits they have
   */
  constructor(root, form) {
    this.root = root;
    this.form = form;
    this.list = find(root, "[data-video-list]", HTMLElement);
    this.says = find(root, "[data-video-say]", HTMLElement);
    this.stop = new AbortController();
    root.addEventListener("click", (event) => this.#click(event), { signal: this.stop.signal });
  }

  close() {
    this.stop.abort();
    this.leave();
  }

  leave() {
    clearTimeout(this.#timer);
  }

  async look() {
    clearTimeout(this.#timer);
    const answer = await ask(data(this.root, "address")).catch(() => null);
    if (answer?.ok) this.#show(await answer.json());
    else this.#timer = setTimeout(() => this.look(), 2 * LOOK);
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const asked = closest(event, "[data-video-kind]");
    const gone = closest(event, "[data-video-delete]");
    if (asked) this.#ask(data(asked, "videoKind"));
    if (gone) this.#post(data(gone, "videoDelete"), {});
  }

  /** @param {string} kind */
  #ask(kind) {
    if (!this.form.reportValidity()) return;
    const fields = Object.fromEntries(new FormData(this.form));
    this.#post(data(this.root, "address"), { ...fields, kind });
  }

  /**
   * @param {string} address
   * @param {object} body
   */
  async #post(address, body) {
    const answer = await ask(address, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    }).catch(() => null);
    if (answer?.ok) return this.#show(await answer.json());
    toast(answer ? await messageOf(answer) : text("edit_failed"), { error: true });
  }

  /** @param {{videos: Video[]}} shown */
  #show({ videos }) {
    if (this.stop.signal.aborted) return;
    clearTimeout(this.#timer);
    if (videos.some(({ waits }) => waits)) this.#timer = setTimeout(() => this.look(), LOOK);
    const drawn = JSON.stringify(videos);
    if (drawn === this.#drawn) return;
    const before = this.#drawn;
    this.#drawn = drawn;
    const focused = this.list.contains(document.activeElement);
    this.list.replaceChildren(...videos.map((video) => this.#item(video)));
    if (focused) this.list.querySelector("button")?.focus();
    if (before && videos[0]?.address) this.says.textContent = text("video_ready");
  }

  /** @param {Video} video */
  #item(video) {
    const label = video.beside ? text("video_beside", { kind: video.label }) : video.label;
    const name = element("span", { class: "videos__name" }, label);
    const state = video.address
      ? element("a", { href: video.address, download: true }, text("video_download", { size: video.size }))
      : video.waits
        ? element("progress", { max: 100, value: video.percent, "aria-label": label })
        : element("span", { class: "videos__error" }, video.error);
    const remove = element(
      "button",
      { type: "button", class: "button button--quiet button--small", "data-video-delete": video.delete },
      text(video.waits ? "video_stop" : "video_delete"),
    );
    const note = video.note ? element("span", { class: "soft" }, video.note) : "";
    return element("li", {}, name, state, note, this.root.dataset.mayAsk === undefined ? "" : remove);
  }
}
