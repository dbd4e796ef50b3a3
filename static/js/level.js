// How loud the microphone is, as bars that scroll by on a canvas.
const BAR = 3;
const GAP = 2;
const EVERY = 60;

export class Level {
  #frame = 0;
  /** @type {number[]} */
  #levels = [];
  /** @type {{context: AudioContext, analyser: AnalyserNode, samples: Float32Array<ArrayBuffer>} | null} */
  #sound = null;
  #last = 0;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.paused = false;
  }

  /** @param {MediaStream} stream */
  start(stream) {
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    context.createMediaStreamSource(stream).connect(analyser);
    this.#sound = { context, analyser, samples: new Float32Array(analyser.fftSize) };
    this.#levels = [];
    this.#draw();
  }

  stop() {
    cancelAnimationFrame(this.#frame);
    this.#sound?.context.close();
    this.#sound = null;
  }

  #draw() {
    this.#frame = requestAnimationFrame(() => this.#draw());
    const now = performance.now();
    if (!this.#sound || this.paused || now - this.#last < EVERY) return;
    this.#last = now;
    const { analyser, samples } = this.#sound;
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    const decibel = 10 * Math.log10(power + 1e-9);
    this.#levels.push(Math.min(1, Math.max(0.04, (decibel + 60) / 55)));
    this.#paint();
  }

  #paint() {
    const { clientWidth, clientHeight } = this.canvas;
    const scale = devicePixelRatio || 1;
    this.canvas.width = clientWidth * scale;
    this.canvas.height = clientHeight * scale;
    const brush = this.canvas.getContext("2d");
    if (!brush) return;
    brush.scale(scale, scale);
    brush.fillStyle = getComputedStyle(this.canvas).color;
    const fits = Math.floor(clientWidth / (BAR + GAP));
    this.#levels = this.#levels.slice(-fits);
    this.#levels.forEach((level, place) => {
      const height = level * clientHeight;
      const x = (fits - this.#levels.length + place) * (BAR + GAP);
      brush.beginPath();
      brush.roundRect(x, (clientHeight - height) / 2, BAR, height, BAR / 2);
      brush.fill();
    });
  }
}
