// Bytes a second over the last few seconds.
const WINDOW = 5000;

export class Rate {
  #samples = [];

  /** Notes that so many bytes have gone in all; the rate, or null while it is too early to tell. */
  note(bytes) {
    const now = performance.now();
    if (bytes < (this.#samples.at(-1)?.bytes ?? 0)) this.#samples = [];
    this.#samples.push({ now, bytes });
    while (this.#samples.length > 2 && this.#samples[0].now < now - WINDOW) this.#samples.shift();
    const [first] = this.#samples;
    return now - first.now < 500 ? null : ((bytes - first.bytes) * 1000) / (now - first.now);
  }

  forget() {
    this.#samples = [];
  }
}
