// How loud the microphone is, as bars that scroll by on a canvas.
const BAR = 3;
const GAP = 2;
const EVERY = 60;

export class Level {
  #frame = 0;
  #levels = [];
  #last = 0;

  constructor(canvas) {
    this.canvas = canvas;
    this.paused = false;
  }

  start(stream) {
    this.context = new AudioContext();
    this.analyser = this.context.createAnalyser();
    this.analyser.fftSize = 1024;
    this.samples = new Float32Array(this.analyser.fftSize);
    this.context.createMediaStreamSource(stream).connect(this.analyser);
    this.#levels = [];
    this.#draw();
  }

  stop() {
    cancelAnimationFrame(this.#frame);
    this.context?.close();
    this.context = null;
  }

  #draw() {
    this.#frame = requestAnimationFrame(() => this.#draw());
    const now = performance.now();
    if (this.paused || now - this.#last < EVERY) return;
    this.#last = now;
    this.analyser.getFloatTimeDomainData(this.samples);
    const power = this.samples.reduce((sum, sample) => sum + sample * sample, 0) / this.samples.length;
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
