// A WebSocket that comes back: exponential backoff with full jitter, at most 15 s. Also after the session was over: it
// may begin again in another tab.
import { forgetNotice, NO_SESSION, socketAddress, tellOtherTenant, tellSignedOut } from "./page.js";

const FIRST = 500;
const LONGEST = 15_000;
const SIGNED_OUT = 4401; // these three are those of portal/consumers.py
const NOT_FOUND = 4404;
const OTHER_TENANT = 4409;

/**
 * @template Message
 * @typedef {object} Handlers
 * @property {(message: Message) => void} onMessage
 * @property {(connected: boolean) => void} onState
 * @property {() => void} onRefused
 */

/** @template Message what the consumer sends, parsed */
export class LiveSocket {
  /** @type {WebSocket | null} */
  #socket = null;
  #timer = 0;
  #tries = 0;
  #closed = false;

  /**
   * @param {string} path the path of the consumer
   * @param {Handlers<Message>} handlers
   */
  constructor(path, { onMessage, onState, onRefused }) {
    this.url = socketAddress(path);
    this.onMessage = onMessage;
    this.onState = onState;
    this.onRefused = onRefused;
    this.wake = () => {
      if (!this.connected) this.#open();
    };
    addEventListener("online", this.wake);
    addEventListener("pageshow", this.wake);
    addEventListener("focus", this.wake);
    this.#open();
  }

  get connected() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** @param {object} message */
  send(message) {
    if (this.connected) this.#socket?.send(JSON.stringify(message));
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    removeEventListener("online", this.wake);
    removeEventListener("pageshow", this.wake);
    removeEventListener("focus", this.wake);
    this.#socket?.close();
  }

  #open() {
    if (this.#closed || (this.#socket && this.#socket.readyState <= WebSocket.OPEN)) return;
    clearTimeout(this.#timer);
    const socket = new WebSocket(this.url);
    this.#socket = socket;
    socket.addEventListener("open", () => this.onState(true));
    socket.addEventListener("message", (event) => {
      this.#tries = 0;
      forgetNotice(NO_SESSION);
      this.onMessage(JSON.parse(event.data));
    });
    setTimeout(() => {
      if (socket.readyState === WebSocket.OPEN) this.#tries = 0;
    }, LONGEST);
    socket.addEventListener("close", (event) => {
      if (this.#closed || this.#socket !== socket) return;
      if (event.code === NOT_FOUND) return this.onRefused();
      this.onState(false);
      if (event.code === SIGNED_OUT) tellSignedOut();
      else if (event.code === OTHER_TENANT) tellOtherTenant();
      const longest = Math.min(LONGEST, FIRST * 2 ** this.#tries);
      this.#tries += 1;
      this.#timer = setTimeout(() => this.#open(), longest / 4 + Math.random() * longest * 0.75);
    });
  }
}
