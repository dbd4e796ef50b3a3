// A WebSocket that comes back: exponential backoff with full jitter, at most 15 s.
const FIRST = 500;
const LONGEST = 15_000;
const REFUSED = new Set([4401, 4404]); // signed out, no such thing: portal/live.py

export class LiveSocket {
  #socket = null;
  #timer = 0;
  #tries = 0;
  #closed = false;

  /** `onMessage(message)`, `onState(connected)`, `onRefused()`; `path` is the path of the consumer. */
  constructor(path, { onMessage, onState, onRefused }) {
    this.url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
    this.onMessage = onMessage;
    this.onState = onState;
    this.onRefused = onRefused;
    this.wake = () => { if (!this.connected) this.#open(); };
    addEventListener("online", this.wake);
    addEventListener("pageshow", this.wake);
    this.#open();
  }

  get connected() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  send(message) {
    if (this.connected) this.#socket.send(JSON.stringify(message));
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    removeEventListener("online", this.wake);
    removeEventListener("pageshow", this.wake);
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
      this.onMessage(JSON.parse(event.data));
    });
    setTimeout(() => { if (socket.readyState === WebSocket.OPEN) this.#tries = 0; }, LONGEST);
    socket.addEventListener("close", (event) => {
      if (this.#closed || this.#socket !== socket) return;
      if (REFUSED.has(event.code)) return this.onRefused();
      this.onState(false);
      const longest = Math.min(LONGEST, FIRST * 2 ** this.#tries);
      this.#tries += 1;
      this.#timer = setTimeout(() => this.#open(), longest / 4 + Math.random() * longest * 0.75);
    });
  }
}
