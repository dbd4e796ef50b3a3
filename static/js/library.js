// The library page: new recordings on top, a list that keeps itself up to date below.

import { watchDrops } from "./drop.js";
import { find } from "./query.js";
import { Recorder } from "./recorder.js";
import { RecordingList } from "./recordinglist.js";
import { watchRenames } from "./rename.js";
import { Selection } from "./selection.js";
import { UploadQueue } from "./uploads.js";

const list = new RecordingList(find(document, "[data-library]", HTMLElement));
new Selection(list);
watchRenames();
const saved = find(document, "[data-save-view]", HTMLFormElement);
saved.addEventListener("submit", () => {
  find(saved, "[name=query]", HTMLInputElement).value = String(new URLSearchParams(list.filters));
});
/** @type {HTMLElement | null} */
const card = document.querySelector("[data-new]");

if (card) {
  const uploads = new UploadQueue(card, () => list.refresh());
  watchDrops(card, (files) => {
    for (const file of files) uploads.add(file, "upload");
  });
  new Recorder(card, uploads);
}
