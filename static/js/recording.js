// The page of one recording. What stands in [data-recording] is renewed as a whole from the server.
import { Beside } from "./beside.js";
import { Changes } from "./changes.js";
import { Checks } from "./checks.js";
import { copyAndTell } from "./clipboard.js";
import { Comments } from "./comments.js";
import { Editor } from "./editor.js";
import { Finder } from "./finder.js";
import { Keys } from "./keys.js";
import { KeySheet } from "./keysheet.js";
import { localise } from "./localtime.js";
import { addressAt } from "./moment.js";
import { ask } from "./page.js";
import { Player, SKIP } from "./player.js";
import { Progress } from "./progress.js";
import { data, find } from "./query.js";
import { Rehearing } from "./rehear.js";
import { watchRenames } from "./rename.js";
import { Replacer } from "./replacer.js";
import { Speakers } from "./speakers.js";
import { Strikes } from "./strikes.js";
import { text } from "./strings.js";
import { Subtitles } from "./subtitles.js";
import { Times } from "./times.js";
import { Together } from "./together.js";
import { Transcript } from "./transcript.js";
import { showChecked, Walk } from "./walk.js";

/** @import { Doing } from "./keys.js" */

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
  const doings = player ? soundDoings(player) : {};
  if (player) open.push(player);
  if (list) {
    transcript = new Transcript(
      list,
      (seconds) => {
        player?.seek(seconds);
        player?.play();
      },
      (seconds) => player?.seek(seconds),
    );
    open.push(transcript);
    Object.assign(doings, textDoings(root, transcript, player));
  }
  if (!player && !list) return;
  const keys = new Keys(doings);
  const sheet = new KeySheet(keys);
  doings.help = { run: () => sheet.open() };
  open.push(keys, sheet);
  sheet.draw();
}

/**
 * Returns what keys do with the sound.
 * @param {Player} player
 * @returns {Record<string, Doing>}
 */
function soundDoings(player) {
  return {
    play: {
      run: (place) => {
        if (player.audio.paused) player.play();
        else if (place === "field") player.stopBackAStep();
        else player.toggle();
      },
    },
    stop: { run: () => player.stopBackAStep() },
    hold: { run: () => player.play(), stop: () => player.stopBackAStep() },
    back: { run: () => player.skip(-SKIP) },
    forward: { run: () => player.skip(SKIP) },
    slower: { run: () => player.changeSpeed(-1) },
    faster: { run: () => player.changeSpeed(1) },
  };
}

/**
 * Makes what works on the text, and returns what keys do with it.
 * @param {HTMLElement} root
 * @param {Transcript} transcript
 * @param {Player | null} player
 */
function textDoings(root, transcript, player) {
  const list = transcript.root;
  /** @type {Record<string, Doing>} */
  const doings = {};
  const finder = new Finder(find(root, "[data-finder]", HTMLElement), transcript);
  const shown = list.dataset.revision === undefined ? null : new Changes(transcript);
  const together = shown && new Together(find(root, "[data-present]", HTMLElement), transcript, shown);
  if (together) open.push(together);
  if (together) together.onChecks = ({ sentence }) => showChecked(sentence);
  const changes = list.dataset.segments === undefined ? null : shown;
  if (changes) {
    const editor = new Editor(list, transcript, changes, player);
    editor.typedBy = (index) => together?.typedBy(index);
    open.push(editor);
    const times = new Times(transcript, changes, player);
    const replacer = new Replacer(changes);
    open.push(times, replacer);
    const openTimes = () => editor.settled().then(() => times.open(transcript.here));
    const openReplacer = () => editor.settled().then(() => replacer.open(finder.input.value));
    root.querySelector("[data-open-times]")?.addEventListener("click", openTimes);
    root.querySelector("[data-open-replace]")?.addEventListener("click", openReplacer);
    const rehearing = document.getElementById("rehear") ? new Rehearing(transcript, changes, player) : null;
    if (rehearing) {
      open.push(rehearing);
      const openRehearing = () => editor.settled().then(() => hearAgain(rehearing, transcript));
      root.querySelector("[data-open-rehear]")?.addEventListener("click", openRehearing);
      doings.rehear = { run: openRehearing };
    }
    const walk = new Walk(find(root, "[data-walk]", HTMLElement), changes, player, rehearing);
    const openWalk = () => editor.settled().then(() => walk.start());
    root.querySelector("[data-walk-start]")?.addEventListener("click", openWalk);
    if (together) together.onChecks = (checked) => walk.follow(checked);
    open.push(walk);
    doings.proofread = { run: openWalk };
    Object.assign(doings, editor.doings, { times: { run: openTimes }, replace: { run: openReplacer } });
  }
  /** @type {HTMLElement | null} */
  const counted = root.querySelector("[data-check-count]");
  if (counted) {
    const checks = new Checks(find(root, "[data-checks]", HTMLElement), transcript);
    doings.next_check = { run: () => checks.go(1) };
    doings.previous_check = { run: () => checks.go(-1) };
  }
  /** @type {HTMLElement | null} */
  const panel = root.querySelector("[data-comments]");
  if (panel) {
    const comments = new Comments(panel, transcript, player);
    if (together) together.onComments = () => comments.loadSoon();
    open.push(comments);
    if (comments.form) doings.comment = { run: () => comments.begin() };
  }
  /** @type {HTMLElement | null} */
  const besideBar = root.querySelector("[data-beside]");
  if (besideBar) open.push(new Beside(besideBar, transcript));
  const subtitles = document.getElementById("subtitles");
  if (subtitles instanceof HTMLDialogElement) open.push(new Subtitles(subtitles, transcript, player));
  /** @type {HTMLElement | null} */
  const bar = root.querySelector("[data-strikes]");
  if (bar) {
    const strikes = new Strikes(bar, transcript, changes);
    if (changes) doings.strike = { run: () => strikes.strike() };
    doings.next_strike = { run: () => strikes.go() };
  }
  /** @type {HTMLElement | null} */
  const voices = root.querySelector("[data-speakers]");
  if (voices) {
    const speakers = new Speakers(voices, transcript, changes);
    open.push(speakers);
    if (changes) doings.whose = { run: () => transcript.focused && speakers.openWhose(transcript.focused) };
  }
  open.push(finder);
  doings.find = { run: () => finder.call() };
  doings.link = { run: () => transcript.here && copyAndTell(addressAt(transcript.here.start)) };
  root.querySelector("[data-copy-text]")?.addEventListener("click", async () => {
    await transcript.loaded;
    copyAndTell(transcript.text);
  });
  return doings;
}

/**
 * @param {Rehearing} rehearing
 * @param {Transcript} transcript
 */
function hearAgain(rehearing, transcript) {
  const first = transcript.here?.index ?? 0;
  rehearing.open({ first, last: first });
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

watchRenames();
mount();
