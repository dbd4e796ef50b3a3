// The page of a share link: the sound, and the transcript that follows it. Nothing here needs an account.
import { Comments } from "./comments.js";
import { Finder } from "./finder.js";
import { LineEditor } from "./lineeditor.js";
import { localise } from "./localtime.js";
import { watchMenus } from "./menu.js";
import { guestHeaders } from "./page.js";
import { Player } from "./player.js";
import { find } from "./query.js";
import { SharedLive } from "./sharedlive.js";
import { watchThemeButton } from "./themeswitch.js";
import { Transcript } from "./transcript.js";

/** @type {HTMLElement | null} */
const audio = document.querySelector("[data-player]");
/** @type {HTMLElement | null} */
const list = document.querySelector("[data-transcript]");
/** @type {Transcript | null} */
let transcript = null;
/** @type {Comments | null} */
let comments = null;
/** @type {LineEditor | null} */
let editor = null;

localise(document);
watchMenus();
watchThemeButton();
const player = audio && new Player(audio, (seconds, playing) => transcript?.at(seconds, playing));
if (list) {
  transcript = new Transcript(
    list,
    (seconds) => {
      player?.seek(seconds);
      player?.play();
    },
    (seconds) => player?.seek(seconds),
  );
  new Finder(find(document, "[data-finder]", HTMLElement), transcript);
  /** @type {HTMLElement | null} */
  const panel = document.querySelector("[data-comments]");
  if (panel) {
    introduce(find(panel, "[data-guest-name]", HTMLInputElement));
    comments = new Comments(panel, transcript, player);
    editor = new LineEditor(transcript);
  }
}
const main = find(document, "#main", HTMLElement);
if (main.dataset.stateUrl) new SharedLive(main, transcript, comments, editor, player);

/**
 * Says with each request who writes. The name, and a number by which the visit knows its own comments, are kept as long
 * as the tab is open.
 * @param {HTMLInputElement} field
 */
function introduce(field) {
  const number = kept("visit") ?? [...crypto.getRandomValues(new Uint8Array(16))].map(hex).join("");
  field.value = kept("name") ?? "";
  const say = () => {
    guestHeaders["X-Visit"] = number;
    guestHeaders["X-Visitor"] = encodeURIComponent(field.value.trim());
    keep("visit", number);
    keep("name", field.value.trim());
  };
  field.addEventListener("input", say);
  say();
}

/** @param {number} byte */
function hex(byte) {
  return byte.toString(16).padStart(2, "0");
}

/** @param {string} what */
function kept(what) {
  try {
    return sessionStorage.getItem(`${location.pathname}${what}`);
  } catch {
    return null;
  }
}

/**
 * @param {string} what
 * @param {string} value
 */
function keep(what, value) {
  try {
    sessionStorage.setItem(`${location.pathname}${what}`, value);
  } catch {
    /* not remembered */
  }
}
