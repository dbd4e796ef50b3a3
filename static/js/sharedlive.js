// What others change appears on the open page of a share link, which has no socket: it asks now and then whether
// something differs, and only then for it. When the link ends, nothing of what it showed stays.
import { element } from "./element.js";
import { ask } from "./page.js";
import { data, find } from "./query.js";
import { text } from "./strings.js";

const EVERY = 10_000;

/** @import { Comments } from "./comments.js" */
/** @import { LineEditor } from "./lineeditor.js" */
/** @import { Player } from "./player.js" */
/** @import { Transcript } from "./transcript.js" */
/** @typedef {{text: string, struck: string, revision: number, comments: string}} State */

export class SharedLive {
  #asking = false;
  #timer = 0;
  /** Of the lines that are shown, if nothing was missed between them. */
  #revision = -1;

  /**
   * @param {HTMLElement} root
   * @param {Transcript | null} transcript
   * @param {Comments | null} comments
   * @param {LineEditor | null} editor
   * @param {Player | null} player
   */
  constructor(root, transcript, comments, editor, player) {
    this.root = root;
    this.transcript = transcript;
    this.comments = comments;
    this.editor = editor;
    this.player = player;
    this.text = data(root, "textState");
    this.struck = data(root, "struckState");
    if (transcript) {
      this.#revision = Number(transcript.root.dataset.revision);
      transcript.root.addEventListener("changed", () => this.#changed());
    }
    this.#timer = setInterval(() => this.look(), EVERY);
    document.addEventListener("visibilitychange", () => this.look());
  }

  /** A line was corrected here: what others did before it is still to come. */
  #changed() {
    const now = Number(this.transcript?.root.dataset.revision);
    if (now === this.#revision + 1) this.#revision = now;
  }

  /** Asks whether something differs, while somebody looks. */
  async look() {
    if (document.hidden || this.#asking || !this.#timer) return;
    this.#asking = true;
    try {
      const answer = await ask(data(this.root, "stateUrl"));
      if (answer.status === 404) await this.#doubt();
      else if (answer.status === 403) location.reload();
      else if (answer.ok) await this.#take(await answer.json());
    } catch {
      /* asked again soon */
    } finally {
      this.#asking = false;
    }
  }

  /** @param {State} now */
  async #take(now) {
    const { transcript, comments, editor } = this;
    if (now.struck !== this.struck) {
      if (!editor?.isOpen) return location.reload();
      return this.player?.close(); // what it has of the sound may be struck; the page is loaded anew after the line
    }
    const isOther = now.text !== this.text;
    if (Boolean(now.comments) !== Boolean(comments) && transcript) return location.reload();
    if (comments && comments.state !== undefined && now.comments !== comments.state) comments.loadSoon();
    if (!isOther && now.revision === this.#revision) return;
    if (!transcript || !now.text) return isOther ? location.reload() : undefined;
    if (editor?.isOpen || !transcript.isComplete) return; // it stays to be done
    await this.#renew(transcript);
    this.text = now.text;
  }

  /** @param {Transcript} transcript */
  async #renew(transcript) {
    const whole = await transcript.ask();
    if (whole.rows && !transcript.isLong) return location.reload(); // it has become a long one
    if (this.editor?.isOpen) throw new Error("somebody began to type"); // asked again soon
    const place = transcript.focused?.index ?? null;
    const voices = new DOMParser().parseFromString(whole.voices ?? "", "text/html").body;
    find(this.root, "[data-voices]", HTMLElement).replaceChildren(...voices.children);
    transcript.renew(whole);
    const { revision } = whole;
    this.#revision = revision;
    const detail = { revision, first: 0, removed: 0, added: 0, lines: "", speakers: true, whole: true };
    transcript.root.dispatchEvent(new CustomEvent("changed", { detail }));
    if (place !== null) transcript.focusOn(place);
  }

  /** An older server, beside this one while it is upgraded, doesn't know the question: the page itself has to be gone. */
  async #doubt() {
    const answer = await ask(location.pathname, { method: "HEAD" });
    if (answer.status === 404) this.#end();
  }

  #end() {
    clearInterval(this.#timer);
    this.#timer = 0;
    this.player?.close();
    this.transcript?.close();
    this.comments?.close();
    const said = element("h1", {}, text("link_ended"));
    this.root.replaceChildren(element("div", { class: "card card__body", role: "alert" }, said));
    document.title = said.textContent ?? "";
  }
}
