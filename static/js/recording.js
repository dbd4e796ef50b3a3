// The page of one recording. What stands in [data-recording] is renewed as a whole from the server.
import { Changes } from "./changes.js";
import { Checks } from "./checks.js";
import { copyAndTell } from "./clipboard.js";
import { Editor } from "./editor.js";
import { Finder } from "./finder.js";
import { localise } from "./localtime.js";
import { ask } from "./page.js";
import { Player } from "./player.js";
import { Progress } from "./progress.js";
import { data, find } from "./query.js";
import { Speakers } from "./speakers.js";
import { text } from "./strings.js";
import { Transcript } from "./transcript.js";

const AGAIN = 2000;
/** @type {{close(): void}[]} */
let open = [];
let renewing = false;

function mount() {
  const root = find(document, "[data-recording]", HTMLElement);
  /** @type {HTMLElement | null} */
  const live = root.querySelector("[data-transcription]");
  /** @type {HTMLElement | null} */
  const list = root.querySelector("[data-transcript]");
  /** @type {HTMLElement | null} */
  const audio = root.querySelector("[data-player]");
  if (live) watch(live);

  /** @type {Transcript | null} */
  let transcript = null;
  const player = audio && new Player(audio, (seconds, playing) => transcript?.at(seconds, playing));
  if (player) open.push(player);
  if (!list) return;

  const segments = new Transcript(list, (seconds) => {
    player?.seek(seconds);
    player?.play();
  });
  transcript = segments;
  open.push(segments);
  const changes = list.dataset.revision === undefined ? null : new Changes(segments);
  if (changes) open.push(new Editor(list, segments, changes, player));
  /** @type {HTMLElement | null} */
  const counted = root.querySelector("[data-check-count]");
  if (counted) open.push(new Checks(find(root, "[data-checks]", HTMLElement), segments));
  /** @type {HTMLElement | null} */
  const voices = root.querySelector("[data-speakers]");
  if (voices) open.push(new Speakers(voices, segments, changes));
  new Finder(find(root, "[data-finder]", HTMLElement), segments);
  root.querySelector("[data-copy-text]")?.addEventListener("click", () => copyAndTell(segments.text));
}

/**
 * A cancelled page loads anew with a message, which must not be fetched away from under it.
 * @param {HTMLElement} live
 */
function watch(live) {
  const progress = new Progress(live, renew);
  open.push(progress);
  live.querySelector("[data-cancel]")?.addEventListener("submit", () => progress.close());
}

async function renew() {
  if (renewing) return;
  renewing = true;
  const before = data(find(document, "[data-recording]", HTMLElement), "recording");
  try {
    const answer = await ask(location.href);
    if (answer.status === 404) return location.reload();
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = find(page, "[data-recording]", HTMLElement);
    localise(fresh);
    for (const part of open) part.close();
    open = [];
    find(document, "[data-recording]", HTMLElement).replaceWith(fresh);
    if (fresh.dataset.recording !== before) {
      find(document, "[data-say]", HTMLElement).textContent = text(`status_${fresh.dataset.recording}`);
    }
    mount();
  } catch {
    setTimeout(renew, AGAIN + Math.random() * AGAIN);
  } finally {
    renewing = false;
  }
}

mount();
