// Bytes a second over the last few seconds.
const WINDOW = 5000;

export class Rate {
  /** @type {{now: number, bytes: number}[]} */
  #samples = [];

  /**
   * Notes that so many bytes have gone in all.
   * @param {number} bytes
   * @returns {number | null} the rate, or null while it is too early to tell
   */
  note(bytes) {
    const now = performance.now();
    if (bytes < (this.#samples.at(-1)?.bytes ?? 0)) this.#samples = [];
    const sample = { now, bytes };
    this.#samples.push(sample);
    while (this.#samples.length > 2 && (this.#samples[0] ?? sample).now < now - WINDOW) this.#samples.shift();
    const first = this.#samples[0] ?? sample;
    return now - first.now < 500 ? null : ((bytes - first.bytes) * 1000) / (now - first.now);
  }

  forget() {
    this.#samples = [];
  }
}
