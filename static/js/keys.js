// The keys of a recording's page: one table, from which they work and from which the sheet of them (keysheet.js) is
// made. What was changed is kept in this browser, by person: keys are a matter of the keyboard and the pedal at hand.
import { closest } from "./query.js";
import { text } from "./strings.js";

/**
 * Where a key works: "field" while a line is typed in, "page" elsewhere, "time" on the time of a line.
 * @typedef {"field" | "page" | "time"} Place
 */
/** @typedef {{id: string, places: Place[], keys: string[], fixed?: boolean}} Action */
/** @typedef {{run: (place: Place) => void, stop?: () => void}} Doing `stop` runs when the key is let go */

/** @type {readonly Action[]} */
const ACTIONS = [
  { id: "play", places: ["field", "page"], keys: ["Tab", "Space"] },
  { id: "stop", places: ["field", "page"], keys: [] },
  { id: "hold", places: ["field", "page"], keys: [] },
  { id: "back", places: ["field", "page"], keys: ["ArrowLeft", "F3"] },
  { id: "forward", places: ["field", "page"], keys: ["ArrowRight", "F4"] },
  { id: "slower", places: ["field", "page"], keys: ["F9"] },
  { id: "faster", places: ["field", "page"], keys: ["F10"] },
  { id: "edit", places: ["time"], keys: ["E", "F2"] },
  { id: "whose", places: ["time"], keys: ["S"] },
  { id: "split", places: ["field"], keys: ["Enter"], fixed: true },
  { id: "merge_before", places: ["field"], keys: ["Backspace"], fixed: true },
  { id: "merge_after", places: ["field"], keys: ["Delete"], fixed: true },
  { id: "walk", places: ["field"], keys: ["ArrowUp", "ArrowDown"], fixed: true },
  { id: "save", places: ["field"], keys: ["Ctrl+Enter"] },
  { id: "leave", places: ["field"], keys: ["Escape"] },
  { id: "undo", places: ["field", "page"], keys: ["Ctrl+Z"] },
  { id: "redo", places: ["field", "page"], keys: ["Ctrl+Shift+Z", "Ctrl+Y"] },
  { id: "next_check", places: ["field", "page", "time"], keys: ["F8", "N"] },
  { id: "previous_check", places: ["field", "page", "time"], keys: ["Shift+F8", "Shift+N"] },
  { id: "proofread", places: ["page", "time"], keys: ["P"] },
  { id: "find", places: ["page", "time"], keys: ["/"] },
  { id: "replace", places: ["field", "page", "time"], keys: ["Ctrl+H"] },
  { id: "times", places: ["page", "time"], keys: ["M"] },
  { id: "rehear", places: ["page", "time"], keys: ["H"] },
  { id: "strike", places: ["page", "time"], keys: ["X"] },
  { id: "comment", places: ["page", "time"], keys: ["C"] },
  { id: "next_strike", places: ["page", "time"], keys: [] },
  { id: "link", places: ["page", "time"], keys: ["L"] },
  { id: "edit_mode", places: ["page", "time"], keys: ["T"] },
  { id: "help", places: ["page", "time"], keys: ["?"] },
];

/** What differs from the table above. @type {Record<string, Record<string, string[]>>} */
const PRESETS = {
  usual: {},
  otranscribe: {
    play: ["Escape", "Tab", "Space"],
    back: ["F1", "ArrowLeft"],
    forward: ["F2", "ArrowRight"],
    slower: ["F3"],
    faster: ["F4"],
    edit: ["E"],
    leave: ["Shift+Escape"],
  },
  express: {
    play: ["F9", "Tab", "Space"],
    stop: ["F4"],
    back: ["F7", "ArrowLeft"],
    forward: ["F8", "ArrowRight"],
    slower: ["F2"],
    faster: ["F11"],
    edit: ["E"],
    next_check: ["Ctrl+F8", "N"],
    previous_check: ["Ctrl+Shift+F8", "Shift+N"],
  },
  pedal: {
    back: ["F7", "ArrowLeft"],
    hold: ["F8"],
    forward: ["F9", "ArrowRight"],
    slower: ["F3"],
    faster: ["F4"],
    next_check: ["Ctrl+F8", "N"],
    previous_check: ["Ctrl+Shift+F8", "Shift+N"],
  },
};

const KEPT = `keys-${document.body.dataset.owner ?? ""}`;
const FIELDS = "input, select, textarea, [contenteditable]";
const CONTROLS = "button, a, summary, [role=slider]";
const WALKS = /^(Tab|Space|Enter|Escape|Arrow\w+|Home|End|PageUp|PageDown)$/; // what controls, and reading a page, need
const WRITES = /^(Shift\+)?(.|Space|Enter|Backspace|Delete|Home|End|PageUp|PageDown|Arrow\w+)$/u; // what typing needs
const MODIFIERS = new Set(["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "Dead", "Unidentified"]);
const OTHERS = /^(Enter|Backspace|Delete|Shift\+Tab|Ctrl\+(Shift\+)?[ACNTVWX])$/; // the text's, or the browser's

/**
 * Returns the name of a key with what is held beside it, such as "Ctrl+Shift+Z"; empty for a bare modifier. ⌘ is Ctrl.
 * @param {KeyboardEvent} event
 */
export function chordOf(event) {
  const { key, ctrlKey, metaKey, altKey, shiftKey } = event;
  if (MODIFIERS.has(key) || event.getModifierState("AltGraph")) return "";
  const name = key === " " ? "Space" : key.length === 1 ? key.toUpperCase() : key;
  const isSymbol = key.length === 1 && key.toUpperCase() === key.toLowerCase() && key !== " ";
  const isHeld = ctrlKey || metaKey || altKey;
  const held = [
    ctrlKey || metaKey ? "Ctrl" : "",
    altKey ? "Alt" : "",
    shiftKey && (isHeld || !isSymbol) ? "Shift" : "",
  ];
  return [...held.filter(Boolean), name].join("+");
}

/**
 * Returns whether somebody may give a key to an action.
 * @param {string} chord
 */
export function isFree(chord) {
  return chord !== "" && !OTHERS.test(chord);
}

export class Keys {
  /** @type {{preset: string, changed: Record<string, string[]>}} */
  #kept = { preset: "usual", changed: {} };
  /** @type {{key: string, stop: () => void} | null} */
  #held = null;

  /** @param {Record<string, Doing>} doings by the action's id; those that the page has */
  constructor(doings) {
    this.doings = doings;
    this.#read();
    this.stop = new AbortController();
    const { signal } = this.stop;
    document.addEventListener("keydown", (event) => this.#down(event), { signal });
    document.addEventListener("keyup", (event) => this.#up(event.key), { signal });
    addEventListener("blur", () => this.#up(), { signal });
    this.#label();
  }

  close() {
    this.#up();
    this.stop.abort();
  }

  /** The actions that the page has. */
  get actions() {
    return ACTIONS.filter(({ id }) => this.doings[id]);
  }

  get preset() {
    return Object.keys(this.#kept.changed).length ? "own" : this.#kept.preset;
  }

  /** @param {Action} action */
  keysOf({ id, keys }) {
    return this.#kept.changed[id] ?? PRESETS[this.#kept.preset]?.[id] ?? keys;
  }

  /** @param {string} preset */
  choose(preset) {
    this.#keep({ preset: Object.hasOwn(PRESETS, preset) ? preset : "usual", changed: {} });
  }

  /**
   * Gives keys to an action, and takes them from those that had them in the same place. Returns the ids of these.
   * @param {string} id
   * @param {string[]} keys
   */
  change(id, keys) {
    const places = ACTIONS.find((action) => action.id === id)?.places ?? [];
    const changed = { ...this.#kept.changed, [id]: keys };
    const losers = ACTIONS.filter((action) => {
      const isNear = action.id !== id && action.places.some((place) => places.includes(place));
      const had = this.keysOf(action);
      if (!isNear || action.fixed || !had.some((key) => keys.includes(key))) return false;
      changed[action.id] = had.filter((key) => !keys.includes(key));
      return true;
    });
    this.#keep({ preset: this.#kept.preset, changed });
    return losers.map((action) => action.id);
  }

  #read() {
    try {
      /** @type {unknown} */
      const kept = JSON.parse(localStorage.getItem(KEPT) ?? "{}");
      if (typeof kept !== "object" || kept === null) return;
      const { preset, changed } = /** @type {{preset?: unknown, changed?: unknown}} */ (kept);
      if (typeof preset === "string" && Object.hasOwn(PRESETS, preset)) this.#kept.preset = preset;
      for (const [id, keys] of Object.entries(changed ?? {}))
        if (Array.isArray(keys)) this.#kept.changed[id] = keys.filter((key) => typeof key === "string");
    } catch {
      /* the usual ones, then */
    }
  }

  /** @param {{preset: string, changed: Record<string, string[]>}} kept */
  #keep(kept) {
    this.#kept = kept;
    this.#label();
    try {
      localStorage.setItem(KEPT, JSON.stringify(kept));
    } catch {
      /* until the page is left */
    }
  }

  /** Buttons say which key does the same. */
  #label() {
    /** @type {NodeListOf<HTMLElement>} */
    const buttons = document.querySelectorAll("[data-action]");
    for (const button of buttons) {
      const action = ACTIONS.find(({ id }) => id === button.dataset.action);
      const keys = action ? this.keysOf(action) : [];
      button.dataset.label ??= button.title;
      button.title = keys.length ? `${button.dataset.label} (${keys.map(shown).join(", ")})` : button.dataset.label;
      if (keys.length)
        button.setAttribute("aria-keyshortcuts", keys.map((key) => key.replace("Ctrl", "Control")).join(" "));
      else button.removeAttribute("aria-keyshortcuts");
    }
  }

  /** @param {KeyboardEvent} event */
  #down(event) {
    if (event.defaultPrevented || event.isComposing) return;
    const chord = chordOf(event);
    const place = placeOf(event, chord);
    const action =
      place && this.actions.find((one) => works(one, place) && !one.fixed && this.keysOf(one).includes(chord));
    if (!place || !action) return;
    event.preventDefault();
    const doing = this.doings[action.id];
    if (!doing || (event.repeat && doing.stop)) return;
    if (doing.stop) this.#held = { key: event.key, stop: doing.stop };
    doing.run(place);
  }

  /** @param {string} [key] any, if there is none */
  #up(key) {
    if (!this.#held || (key && key !== this.#held.key)) return;
    this.#held.stop();
    this.#held = null;
  }
}

/**
 * Returns where a key was pressed; null where it is needed for something else.
 * @param {KeyboardEvent} event
 * @param {string} chord
 * @returns {Place | null}
 */
function placeOf(event, chord) {
  if (!chord) return null;
  if (closest(event, ".segment__editor textarea")) return WRITES.test(chord) ? null : "field";
  if (closest(event, "dialog")) return null;
  if (closest(event, "button.segment__time")) return WALKS.test(chord) ? null : "time";
  if (closest(event, FIELDS)) return WRITES.test(chord) || WALKS.test(chord) ? null : "page";
  if (closest(event, CONTROLS)) return WALKS.test(chord) ? null : "page";
  return chord === "Tab" ? null : "page";
}

/**
 * What works on the page works on a time, too.
 * @param {Action} action
 * @param {Place} place
 */
function works({ places }, place) {
  return places.includes(place) || (place === "time" && places.includes("page"));
}

const NAMES = new Map([
  ["ArrowLeft", "←"],
  ["ArrowRight", "→"],
  ["ArrowUp", "↑"],
  ["ArrowDown", "↓"],
  ["Escape", "Esc"],
]);

/**
 * Returns a key as people know it.
 * @param {string} chord
 */
export function shown(chord) {
  const parts = chord === "+" ? [chord] : chord.split(/\+(?=.)/);
  return parts.map((part) => (part === "Space" ? text("key_space") : (NAMES.get(part) ?? part))).join("+");
}
