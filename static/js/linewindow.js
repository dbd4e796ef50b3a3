// The lines of a long transcript that are near the window, as elements; the others are lists without items, as high as
// their lines would be. Lines are drawn from what is known of them at once, and as the server has them when it has told.
import { draw, isIn, itemsOf } from "./lines.js";
import { ask } from "./page.js";
import { data } from "./query.js";
import { offsetIn, placeOf } from "./textrange.js";

const BLOCK = 25; // lines of a list
const AHEAD = 2; // lists beyond those that are drawn, of which the server is asked, so that they are drawn once
const NEAR = "150% 0px"; // of the window, above and below
const SETTLE = 60; // milliseconds in which lines that are to be asked for are gathered
const AT_ONCE = 120; // lines that are asked for at once
const AGAIN = 700; // milliseconds until a refused question is asked again
const TRIES = 5;
const ROW = 26.4; // pixels of a row of text, until one is measured
const TURN = 1.35; // rows that the name of who speaks takes, with the space above it
const NOTE = 0.9; // rows of a note below a line
const ANCHORS = CSS.supports("overflow-anchor", "auto"); // the browser keeps what is read where it is

/** @import { Line } from "./lines.js" */
/** @import { Transcript } from "./transcript.js" */
/**
 * @typedef {object} Block
 * @property {HTMLOListElement} node
 * @property {Line[]} lines
 * @property {boolean} isDrawn
 * @property {number} height that it had when it was drawn; 0 where that isn't known
 */

export class LineWindow {
  /** @type {Block[]} */
  #blocks = [];
  /** @type {Map<Element, Block>} */
  #byNode = new Map();
  /** @type {Set<Block>} */
  #near = new Set();
  /** @type {Set<Block>} */
  #drawn = new Set();
  /** @type {Set<Block>} */
  #ahead = new Set();
  /** Lines of which the server is to tell the rest. @type {Set<Line>} */
  #wanted = new Set();
  #asking = false;
  #timer = 0;
  #tries = 0;
  #isPrinting = false;
  /** Characters of a row, and how much higher lines are than they are thought to be. */
  #columns = 80;
  #row = ROW;
  #scale = 1;
  #width = 0;
  /** @type {HTMLElement[]} */
  #tools = [];

  /** @param {Transcript} transcript */
  constructor(transcript) {
    this.transcript = transcript;
    this.root = transcript.root;
    this.tellAtOnce = Number(this.root.dataset.part ?? 0);
    const item = this.root.querySelector(".segment:not(.segment--gap)");
    this.#tools = /** @type {HTMLElement[]} */ ([...(item?.querySelectorAll(".segment__edit") ?? [])]);
    this.observer = new IntersectionObserver((entries) => this.#pass(entries), { rootMargin: NEAR });
    this.sizes = new ResizeObserver(() => this.#resized());
    this.sizes.observe(this.root);
    this.stop = new AbortController();
    const { signal } = this.stop;
    addEventListener("beforeprint", () => this.#print(true), { signal });
    addEventListener("afterprint", () => this.#print(false), { signal });
    this.root.role = "list";
    this.root.classList.add("transcript--windowed");
  }

  close() {
    this.stop.abort();
    this.observer.disconnect();
    this.sizes.disconnect();
    clearTimeout(this.#timer);
  }

  /** The lines that have an element. */
  get lines() {
    return [...this.#drawn].flatMap((block) => block.lines).sort((a, b) => a.place - b.place);
  }

  /**
   * Shows other lines; those that are drawn already stay as they are, and where they are on the screen.
   * @param {Line[]} lines that no filter leaves out
   */
  lay(lines) {
    const anchor = this.#anchor();
    const active = this.root.contains(document.activeElement) ? document.activeElement : null;
    this.observer.disconnect();
    const nodes = this.#blocks.map(({ node }) => node);
    for (const { lines: old } of this.#blocks) for (const line of old) line.block = null;
    this.#near.clear();
    this.#drawn.clear();
    this.#byNode.clear();
    this.#blocks = [];
    this.#measure();
    for (let at = 0; at < lines.length; at += BLOCK) {
      const node = document.createElement("ol");
      node.className = "transcript__part";
      node.role = "presentation";
      this.#add({ node, lines: lines.slice(at, at + BLOCK), isDrawn: false, height: 0 });
    }
    const fresh = this.#blocks.map(({ node }) => node);
    for (const line of lines) if (line.element && line.block && !line.block.isDrawn) this.#draw(line.block, false);
    if (nodes.length) for (const node of nodes) node.remove();
    else this.root.replaceChildren();
    this.root.append(...fresh);
    for (const block of this.#blocks) this.observer.observe(block.node);
    this.root.style.minBlockSize = "";
    if (active instanceof HTMLElement && active.isConnected) active.focus({ preventScroll: true });
    this.#keep(anchor);
    this.#told([...this.#drawn].flatMap((block) => block.lines));
  }

  /**
   * Puts lines into the place of others.
   * @param {Line[]} gone
   * @param {Line[]} fresh that no filter leaves out
   * @param {Line | undefined} before the line that they stand behind
   */
  replace(gone, fresh, before) {
    const block = gone.find((line) => line.block)?.block ?? before?.block ?? this.#blocks[0];
    if (!block) return this.lay(fresh);
    const first = gone.find((line) => line.block);
    const at = first ? block.lines.indexOf(first) : before?.block ? block.lines.indexOf(before) + 1 : 0;
    for (const line of gone) {
      const place = line.block?.lines.indexOf(line) ?? -1;
      if (line.block && place >= 0) line.block.lines.splice(place, 1);
      line.element?.remove();
      this.#forget(line);
      line.block = null;
    }
    block.lines.splice(at, 0, ...fresh);
    for (const line of fresh) line.block = block;
    if (block.isDrawn) {
      const next = block.lines[at + fresh.length]?.element ?? null;
      for (const line of fresh) if (line.element) block.node.insertBefore(line.element, next);
    } else {
      for (const line of fresh) line.element = null;
      this.#fill(block);
    }
    this.#told(fresh.filter((line) => line.element));
  }

  /**
   * Returns the element of a line, which is drawn if it isn't there; null where a filter leaves it out.
   * @param {Line} line
   */
  element(line) {
    if (line.block && !line.block.isDrawn) this.#draw(line.block);
    return line.element;
  }

  /**
   * Returns the element of a line as the server has it; null where it doesn't answer.
   * @param {Line} line
   * @returns {Promise<HTMLElement | null>}
   */
  async whole(line) {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const item = this.element(line);
      if (!item || line.isWhole) return item;
      const near = line.block?.lines.filter((one) => one.index !== null && !one.isWhole) ?? [line];
      if (!(await this.#tellOf(near))) await new Promise((done) => setTimeout(done, AGAIN));
    }
    return line.isWhole ? line.element : null;
  }

  /** The lines of which a range may have something. @param {Range} range */
  linesIn(range) {
    return this.#blocks
      .filter(({ node }) => range.intersectsNode(node))
      .flatMap(({ isDrawn, lines }) => (isDrawn ? lines.filter((line) => isIn(line, range)) : lines));
  }

  /** Whether some lines have no elements. */
  get isPartial() {
    return this.#drawn.size < this.#blocks.length;
  }

  /** @param {Block} block */
  #add(block) {
    this.#blocks.push(block);
    this.#byNode.set(block.node, block);
    for (const line of block.lines) line.block = block;
    this.#fill(block);
  }

  /** Gives a list that isn't drawn its height. @param {Block} block */
  #fill(block) {
    const height = block.height || this.#scale * block.lines.reduce((sum, line) => sum + this.#heightOf(line), 0);
    block.node.style.blockSize = `${Math.round(height)}px`;
  }

  /** @param {Line} line */
  #heightOf(line) {
    const rows = Math.max(1, Math.ceil(line.text.length / this.#columns));
    const turn = line.speaker !== undefined && !this.transcript.goesOn(line) ? TURN : 0;
    const notes = line.index === null ? 0 : (line.doubt ? NOTE : 0) + (line.overlap ? NOTE : 0);
    return 8 + this.#row * (rows + turn + notes);
  }

  /** Looks how wide the text is, and how high its lines are. */
  #measure() {
    const items = [...this.root.querySelectorAll(".segment")].slice(0, BLOCK);
    const shown = items[0]?.querySelector(".segment__text");
    this.#width = this.root.clientWidth;
    if (!(shown instanceof HTMLElement)) return;
    const style = getComputedStyle(shown);
    const brush = document.createElement("canvas").getContext("2d");
    const said = items.map((item) => item.querySelector(".segment__text")?.textContent ?? "").join(" ");
    if (brush && said) {
      brush.font = style.font;
      this.#columns = Math.max(8, (0.97 * shown.offsetWidth * said.length) / brush.measureText(said).width);
    }
    this.#row = Number.parseFloat(style.lineHeight) || ROW;
    const drawn = this.lines.length ? this.lines : this.transcript.lines.filter((line) => line.element?.isConnected);
    const high = drawn.reduce((sum, { element }) => sum + (element?.offsetHeight ?? 0), 0);
    const thought = drawn.reduce((sum, line) => sum + (line.element?.offsetHeight ? this.#heightOf(line) : 0), 0);
    if (high && thought) this.#scale = high / thought;
  }

  /** The window has another width: what isn't drawn gets other heights. */
  #resized() {
    if (!this.#blocks.length || this.root.clientWidth === this.#width) return;
    const anchor = this.#anchor();
    this.#measure();
    for (const block of this.#blocks) {
      block.height = 0;
      if (!block.isDrawn) this.#fill(block);
    }
    this.#keep(anchor);
  }

  /**
   * Scrolls a line to where it was.
   * @param {{line: Line, top: number} | null} anchor
   */
  #keep(anchor) {
    if (!anchor?.line.element?.isConnected) return;
    scrollBy({ top: anchor.line.element.getBoundingClientRect().top - anchor.top, behavior: "instant" });
  }

  /** Where the first line in the window is. */
  #anchor() {
    for (const line of this.lines) {
      const box = line.element?.getBoundingClientRect();
      if (box && box.bottom > 0 && box.top < innerHeight) return { line, top: box.top };
    }
    return null;
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #pass(entries) {
    for (const { target, isIntersecting } of entries) {
      const block = this.#byNode.get(target);
      if (block && isIntersecting) this.#near.add(block);
      else if (block) this.#near.delete(block);
    }
    const anchor = ANCHORS ? null : this.#anchor();
    const far = this.#isPrinting ? [] : [...this.#drawn].filter((block) => !this.#near.has(block));
    const inUse = far.length ? this.#inUse : null; // this, and heights, while nothing has changed the layout
    for (const block of far) block.height = block.node.offsetHeight;
    for (const block of this.#near) if (!block.isDrawn) this.#draw(block);
    for (const block of far) if (!inUse?.has(block)) this.#leave(block);
    this.#lookAhead();
    this.#keep(anchor);
  }

  #lookAhead() {
    const places = this.#blocks.flatMap((block, place) => (this.#near.has(block) ? place : []));
    const [first, last] = [places[0], places.at(-1)];
    if (first === undefined || last === undefined) return;
    const ahead = [
      ...this.#blocks.slice(Math.max(0, first - AHEAD), first),
      ...this.#blocks.slice(last + 1, last + 1 + AHEAD),
    ];
    this.#ahead = new Set(ahead);
    for (const { lines } of ahead)
      for (const line of lines) if (line.index !== null && !line.html) this.#wanted.add(line);
    if (this.#wanted.size) this.#askSoon();
  }

  /** What a person has the focus in, selects, or comes to by the Tab key stays. */
  get #inUse() {
    const selection = getSelection();
    const ends = selection && !selection.isCollapsed ? [selection.anchorNode, selection.focusNode] : [];
    const lines = [document.activeElement, ...ends].map((node) => this.transcript.lineOf(node));
    const stop = this.transcript.lines[this.transcript.roving];
    return new Set([...lines, stop].map((line) => line?.block));
  }

  /**
   * @param {Block} block
   * @param {boolean} [tell]
   */
  #draw(block, tell = true) {
    block.isDrawn = true;
    this.#drawn.add(block);
    for (const line of block.lines) line.element ??= this.#elementOf(line);
    block.node.replaceChildren(...block.lines.flatMap(({ element }) => element ?? []));
    block.node.style.blockSize = "";
    if (tell) this.#told(block.lines);
  }

  /** @param {Block} block */
  #leave(block) {
    block.isDrawn = false;
    this.#drawn.delete(block);
    this.#fill(block);
    block.node.replaceChildren();
    for (const line of block.lines) this.#forget(line);
  }

  /** @param {Line} line */
  #forget(line) {
    line.element = null;
    line.isWhole = false;
    this.#wanted.delete(line);
  }

  /** @param {Line} line */
  #elementOf(line) {
    const [kept] = line.html ? itemsOf(line.html) : [];
    line.isWhole = kept !== undefined;
    return kept ?? draw(line, this.transcript.goesOn(line), this.#tools);
  }

  /** Lines were drawn. @param {Line[]} lines */
  #told(lines) {
    for (const line of lines) {
      this.#count(line);
      if (!line.isWhole && line.index !== null) this.#wanted.add(line);
    }
    this.transcript.drew(lines);
    if (this.#wanted.size) this.#askSoon();
  }

  /** Lines have other places. */
  count() {
    for (const line of this.lines) this.#count(line);
  }

  /** Says to screen readers which of how many lines it is. @param {Line} line */
  #count({ element, place }) {
    element?.setAttribute("role", "listitem");
    element?.setAttribute("aria-posinset", String(place + 1));
    element?.setAttribute("aria-setsize", String(this.transcript.lines.length));
  }

  #askSoon() {
    clearTimeout(this.#timer);
    if (!this.#asking && !this.#isPrinting) this.#timer = setTimeout(() => this.#ask(), SETTLE);
  }

  async #ask() {
    for (const line of this.#wanted)
      if (line.isWhole || !line.block || !(line.element || (this.#ahead.has(line.block) && !line.html)))
        this.#wanted.delete(line);
    const lines = [...this.#wanted]
      .sort((a, b) => Number(b.element !== null) - Number(a.element !== null))
      .slice(0, AT_ONCE);
    if (!lines.length || this.stop.signal.aborted) return;
    this.#asking = true;
    const isTold = await this.#tellOf(lines);
    this.#tries = isTold ? 0 : this.#tries + 1;
    if (isTold) for (const line of lines) this.#wanted.delete(line);
    else await new Promise((done) => setTimeout(done, AGAIN * this.#tries));
    this.#asking = false;
    if (this.#wanted.size) this.#askSoon();
  }

  /**
   * Asks for lines as the server has them. Returns whether they are those of what is shown now.
   * @param {Line[]} lines
   */
  async #tellOf(lines) {
    const { transcript, root } = this;
    const indexes = lines.flatMap(({ index }) => index ?? []);
    const answer = await ask(`${data(root, "lines")}?at=${this.#around(indexes).join()}`).catch(() => null);
    if (!answer?.ok || this.stop.signal.aborted) return false;
    /** @type {{revision: number, lines: string}} */
    const told = await answer.json();
    if (String(told.revision) !== root.dataset.revision) {
      if (this.#tries >= TRIES) root.dispatchEvent(new Event("outdated", { cancelable: true }));
      return false;
    }
    const drawn = [];
    const held = new Held();
    for (const item of itemsOf(told.lines)) {
      const line = transcript.segments[Number(item.dataset.index)];
      if (!line || line.isWhole) continue;
      line.html = item.outerHTML;
      line.moved = 0;
      if (!line.element) continue;
      held.exchange(line.element, item);
      line.element = item;
      line.isWhole = true;
      drawn.push(line);
    }
    held.restore();
    this.#told(drawn);
    return true;
  }

  /** Where every question costs the server as much, all lines of a part are asked for. @param {number[]} indexes */
  #around(indexes) {
    const part = this.tellAtOnce;
    const [first] = indexes;
    if (!part || first === undefined) return indexes;
    const begin = first - (first % part);
    return Array.from({ length: part }, (_none, at) => begin + at);
  }

  /** On paper all lines stand. @param {boolean} isPrinting */
  #print(isPrinting) {
    this.#isPrinting = isPrinting;
    if (isPrinting) for (const block of this.#blocks) if (!block.isDrawn) this.#draw(block, false);
    if (!isPrinting) this.#pass([]);
  }
}

/**
 * The focus and the selection, while elements are put into the place of others. They are looked at once: each look at the
 * selection lays the page out.
 */
class Held {
  constructor() {
    const { activeElement } = document;
    this.focus = activeElement instanceof HTMLElement ? activeElement : null;
    const selection = getSelection();
    const { anchorNode, anchorOffset = 0, focusNode, focusOffset = 0, isCollapsed = true } = selection ?? {};
    /** @type {[Node, number][]} */
    this.ends =
      anchorNode && focusNode && !isCollapsed
        ? [
            [anchorNode, anchorOffset],
            [focusNode, focusOffset],
          ]
        : [];
    this.isMoved = false;
  }

  /**
   * @param {HTMLElement} old
   * @param {HTMLElement} item
   */
  exchange(old, item) {
    const [before, after] = [old, item].map((one) => one.querySelector(".segment__text"));
    for (const [at, [node, offset]] of this.ends.entries()) {
      if (!before?.contains(node) || !after) continue;
      this.ends[at] = placeOf(after, offsetIn(before, node, offset));
      this.isMoved = true;
    }
    const hadFocus = old.contains(this.focus);
    old.replaceWith(item);
    if (hadFocus) item.querySelector("button")?.focus({ preventScroll: true });
  }

  restore() {
    const [anchor, focus] = this.ends;
    if (this.isMoved && anchor?.[0].isConnected && focus?.[0].isConnected)
      getSelection()?.setBaseAndExtent(...anchor, ...focus);
  }
}
