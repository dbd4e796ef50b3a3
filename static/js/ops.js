// Keeps the operations page fresh: the changing part is fetched and replaced every few seconds.

import { data, find } from "./query.js";

const EVERY_MS = 2500;
const region = find(document, "#operations", HTMLElement);
const news = find(document, "#ops-news", HTMLElement);

/** What is said aloud: only a change of health, never each figure. */
function health() {
  return region.querySelector("#ops-health")?.textContent.trim() ?? "";
}

/** @param {string} text */
function say(text) {
  if (news.textContent !== text) news.textContent = text;
}

/** Replacing what a person has focused, selected or ticked would take it from under their hands. */
function isInUse() {
  const selection = document.getSelection();
  const selecting = selection && !selection.isCollapsed && region.contains(selection.anchorNode);
  const focused = document.activeElement;
  const ticked = region.querySelector("input:checked") !== null;
  const typed = [...region.querySelectorAll("input[type=text], input[type=url]")].some(
    (field) => field instanceof HTMLInputElement && field.value !== "",
  );
  return typed || (region.contains(focused) && !focused?.matches(".ops-scroll")) || selecting || ticked;
}

/** @returns {NodeListOf<HTMLElement>} */
function scrolled() {
  return region.querySelectorAll(".ops-scroll");
}

/**
 * Puts in the new figures; how far a table was scrolled, and which one has the focus, stays.
 * @param {string} html
 */
function replace(html) {
  const before = [...scrolled()].map((part) => ({ left: part.scrollLeft, focused: part === document.activeElement }));
  region.innerHTML = html;
  scrolled().forEach((part, place) => {
    const { left, focused } = before[place] ?? { left: 0, focused: false };
    if (focused) part.focus({ preventScroll: true });
    part.scrollLeft = left;
  });
}

async function refresh() {
  if (document.hidden || isInUse()) return;
  const before = health();
  try {
    const answer = await fetch(data(region, "address"), {
      headers: { "X-Requested-With": "fetch" },
      credentials: "same-origin",
      redirect: "error",
      signal: AbortSignal.timeout(10000),
    });
    if (!answer.ok) throw new Error(answer.statusText);
    replace(await answer.text());
    region.classList.remove("is-stale");
    say(health() === before ? "" : health());
  } catch {
    region.classList.add("is-stale");
    say(data(news, "stale"));
  }
}

async function keepFresh() {
  await refresh();
  setTimeout(keepFresh, EVERY_MS);
}

setTimeout(keepFresh, EVERY_MS);
