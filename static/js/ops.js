// Keeps the operations page fresh: the changing part is fetched and replaced every few seconds.

const EVERY_MS = 2500;
const region = document.getElementById("operations");
const news = document.getElementById("ops-news");

/** What is said aloud: only a change of health, never each figure. */
function health() {
  return region.querySelector("#ops-health")?.textContent.trim() ?? "";
}

function say(text) {
  if (news.textContent !== text) news.textContent = text;
}

/** Replacing what a person has focused or selected would take it from under their hands. */
function isInUse() {
  const selection = document.getSelection();
  const selecting = selection && !selection.isCollapsed && region.contains(selection.anchorNode);
  const focused = document.activeElement;
  return (region.contains(focused) && !focused.matches(".ops-scroll")) || selecting;
}

/** Puts in the new figures; how far a table was scrolled, and which one has the focus, stays. */
function replace(html) {
  const before = [...region.querySelectorAll(".ops-scroll")].map((part) => [
    part.scrollLeft,
    part === document.activeElement,
  ]);
  region.innerHTML = html;
  region.querySelectorAll(".ops-scroll").forEach((part, place) => {
    const [left, focused] = before[place] ?? [0, false];
    if (focused) part.focus({ preventScroll: true });
    part.scrollLeft = left;
  });
}

async function refresh() {
  if (document.hidden || isInUse()) return;
  const before = health();
  try {
    const answer = await fetch(region.dataset.address, {
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
    say(news.dataset.stale);
  }
}

async function keepFresh() {
  await refresh();
  setTimeout(keepFresh, EVERY_MS);
}

setTimeout(keepFresh, EVERY_MS);
