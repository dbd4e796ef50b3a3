// The page of a share link: the sound, and the transcript that follows it. Nothing here needs an account.
import { Finder } from "./finder.js";
import { localise } from "./localtime.js";
import { watchMenus } from "./menu.js";
import { Player } from "./player.js";
import { find } from "./query.js";
import { watchThemeButton } from "./themeswitch.js";
import { Transcript } from "./transcript.js";

/** @type {HTMLElement | null} */
const audio = document.querySelector("[data-player]");
/** @type {HTMLElement | null} */
const list = document.querySelector("[data-transcript]");
/** @type {Transcript | null} */
let transcript = null;

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
}
