// Makes 24 kHz int16 of what the microphone gives, in tenths of a second. It runs where sound is rendered.
const RATE = 24_000;
const PIECE = RATE / 10;
/** @type {any} what an AudioWorklet has beside a page's names */
const rendering = globalThis;

class Pcm extends rendering.AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.sum = 0;
    this.count = 0;
    this.passed = 0;
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    for (const sample of inputs[0]?.[0] ?? []) {
      this.sum += sample;
      this.count += 1;
      this.passed += RATE / rendering.sampleRate;
      // A slower microphone gives a sample several times, a faster one the mean of several samples.
      while (this.passed >= 1) {
        this.passed -= 1;
        this.add(this.count ? this.sum / this.count : sample);
        this.sum = 0;
        this.count = 0;
      }
    }
    return true;
  }

  /** @param {number} sample */
  add(sample) {
    this.piece[this.filled] = Math.max(-1, Math.min(1, sample)) * 32_767;
    this.filled += 1;
    if (this.filled < PIECE) return;
    this.port.postMessage(this.piece);
    this.filled = 0;
  }
}

rendering.registerProcessor("pcm", Pcm);
