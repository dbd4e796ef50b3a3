// The words of one segment: the one that is spoken is marked (a CSS highlight: no markup changes).
const LINGERS = 0.3; // seconds that a word stays marked in the pause after it

export class Words {
  #spoken = -1;

  constructor(item) {
    this.node = item.querySelector(".segment__text").firstChild;
    this.marks = JSON.parse(item.dataset.words ?? "[]");
  }

  /** Marks the word spoken at `seconds`. */
  at(seconds) {
    const place = this.marks.findLastIndex(([, , start]) => start <= seconds + 0.01);
    const spoken = place >= 0 && seconds <= this.marks[place][3] + LINGERS ? place : -1;
    if (spoken === this.#spoken) return;
    this.#spoken = spoken;
    CSS.highlights?.set("spoken-word", new Highlight(...(spoken < 0 ? [] : [this.#range(spoken)])));
  }

  leave() {
    this.#spoken = -1;
    CSS.highlights?.delete("spoken-word");
  }

  /** Seconds at which the word under the pointer begins; undefined beside words. */
  startUnder(event) {
    const caret = caretUnder(event);
    if (!caret || caret.node !== this.node) return undefined;
    const near = (place) => this.marks[place][0] <= caret.offset && caret.offset <= this.marks[place][1];
    const places = [...this.marks.keys()].filter(near); // two, where no space divides them
    return this.marks[places.find((place) => contains(this.#range(place), event))]?.[2];
  }

  #range(place) {
    const [from, to] = this.marks[place];
    const range = new Range();
    range.setStart(this.node, Math.min(from, this.node.length));
    range.setEnd(this.node, Math.min(to, this.node.length));
    return range;
  }
}

function contains(range, { clientX, clientY }) {
  const around = ({ left, right, top, bottom }) =>
    left <= clientX && clientX <= right && top <= clientY && clientY <= bottom;
  return [...range.getClientRects()].some(around);
}

function caretUnder({ clientX, clientY }) {
  if (document.caretPositionFromPoint) {
    const place = document.caretPositionFromPoint(clientX, clientY);
    return place && { node: place.offsetNode, offset: place.offset };
  }
  const range = document.caretRangeFromPoint?.(clientX, clientY); // Safari
  return range && { node: range.startContainer, offset: range.startOffset };
}
