// The player that other sites show: the sound, and below it what is being said.
import { Player } from "./player.js";
import { data, find } from "./query.js";
import { watchThemeButton } from "./themeswitch.js";

/** @type {HTMLElement | null} */
const root = document.querySelector("[data-player]");
/** @type {HTMLElement | null} */
const shown = document.querySelector("[data-captions]");

watchThemeButton();
if (root) new Player(root, () => {});
if (root && shown) caption(find(root, "audio", HTMLAudioElement), shown);

/**
 * Browsers draw captions over a film only; of a sound they tell which are due.
 * @param {HTMLAudioElement} audio
 * @param {HTMLElement} place
 */
function caption(audio, place) {
  const track = document.createElement("track");
  Object.assign(track, { kind: "captions", label: data(place, "label"), src: data(place, "captions") });
  audio.append(track);
  track.track.mode = "hidden";
  track.track.addEventListener("cuechange", () => {
    const cues = [...(track.track.activeCues ?? [])].filter((cue) => cue instanceof VTTCue);
    place.textContent = cues.map((cue) => cue.getCueAsHTML().textContent).join("\n");
  });
}
