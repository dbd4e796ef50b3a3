// Keeps the operations page fresh: its changing part is pushed where it can be, and fetched every few seconds otherwise.

import { data, find } from "./query.js";

const EVERY_MS = 2500;
const LONGEST_MS = 15_000;
const SILENT_MS = 12_000; // the server pushes every five seconds at least
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

let heardAt = 0;
let tries = 0;
/** @type {WebSocket | undefined} */
let socket;

/** Forms that are pushed have no token: this page's own is put in. */
function sign() {
  const own = document.querySelector("#logout-form input[name=csrfmiddlewaretoken]");
  for (const field of region.querySelectorAll("input[name=csrfmiddlewaretoken]"))
    if (field instanceof HTMLInputElement && own instanceof HTMLInputElement) field.value = own.value;
}

/** @param {string} html */
function show(html) {
  if (document.hidden || isInUse()) return;
  const before = health();
  replace(html);
  sign();
  region.classList.remove("is-stale");
  say(health() === before ? "" : health());
}

function hangUp() {
  socket?.close();
  socket = undefined;
  heardAt = 0;
}

/** Has the page pushed while it is looked at: a hidden one is not computed. */
function listen() {
  const path = region.dataset.socket;
  if (!path || document.hidden || socket) return;
  const opened = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`);
  socket = opened;
  opened.addEventListener("message", (event) => {
    if (socket !== opened) return;
    tries = 0;
    heardAt = Date.now();
    show(JSON.parse(event.data).html);
  });
  opened.addEventListener("close", () => {
    if (socket !== opened) return;
    hangUp();
    const longest = Math.min(LONGEST_MS, 500 * 2 ** tries);
    tries += 1;
    setTimeout(listen, longest / 4 + Math.random() * longest * 0.75);
  });
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
  if (document.hidden || isInUse() || Date.now() - heardAt < SILENT_MS) return;
  try {
    const answer = await fetch(data(region, "address"), {
      headers: { "X-Requested-With": "fetch" },
      credentials: "same-origin",
      redirect: "error",
      signal: AbortSignal.timeout(10000),
    });
    if (!answer.ok) throw new Error(answer.statusText);
    show(await answer.text());
  } catch {
    region.classList.add("is-stale");
    say(data(news, "stale"));
  }
}

async function keepFresh() {
  await refresh();
  setTimeout(keepFresh, EVERY_MS);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) hangUp();
  else listen();
});
setTimeout(keepFresh, EVERY_MS);
listen();
