// The page of one recording. What stands in [data-recording] is renewed as a whole from the server.
import { copyAndTell } from "./clipboard.js";
import { Editor } from "./editor.js";
import { Finder } from "./finder.js";
import { localise } from "./localtime.js";
import { ask } from "./page.js";
import { Player } from "./player.js";
import { Progress } from "./progress.js";
import { text } from "./strings.js";
import { Transcript } from "./transcript.js";

const AGAIN = 2000;
let open = [];
let renewing = false;

function mount() {
  const root = document.querySelector("[data-recording]");
  const live = root.querySelector("[data-transcription]");
  const list = root.querySelector("[data-transcript]");
  const audio = root.querySelector("[data-player]");
  if (live) watch(live);

  let transcript = null;
  const player = audio && new Player(audio, (seconds) => transcript?.at(seconds, !player.audio.paused));
  if (player) open.push(player);
  if (!list) return;

  transcript = new Transcript(list, (seconds) => {
    player?.seek(seconds);
    player?.play();
  });
  open.push(transcript);
  if (list.dataset.segments) open.push(new Editor(list, transcript));
  new Finder(root.querySelector("[data-finder]"), transcript);
  root.querySelector("[data-copy-text]")?.addEventListener("click", () => copyAndTell(transcript.text));
}

/** A cancelled page loads anew with a message, which must not be fetched away from under it. */
function watch(live) {
  const progress = new Progress(live, renew);
  open.push(progress);
  live.querySelector("[data-cancel]")?.addEventListener("submit", () => progress.close());
}

async function renew() {
  if (renewing) return;
  renewing = true;
  const before = document.querySelector("[data-recording]").dataset.recording;
  try {
    const answer = await ask(location.href);
    if (answer.status === 404) return location.reload();
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("[data-recording]");
    localise(fresh);
    for (const part of open) part.close();
    open = [];
    document.querySelector("[data-recording]").replaceWith(fresh);
    if (fresh.dataset.recording !== before) {
      document.querySelector("[data-say]").textContent = text(`status_${fresh.dataset.recording}`);
    }
    mount();
  } catch {
    setTimeout(renew, AGAIN + Math.random() * AGAIN);
  } finally {
    renewing = false;
  }
}

mount();
