// <time datetime data-local>: the server writes its own zone, the reader sees theirs, in the same format.
const { lang } = document.documentElement;
const format = new Intl.DateTimeFormat(!lang || lang === "en" ? "en-GB" : lang, {
  dateStyle: "medium",
  timeStyle: "short",
  hourCycle: "h23",
});

/** @param {ParentNode} root */
export function localise(root) {
  /** @type {NodeListOf<HTMLTimeElement>} */
  const times = root.querySelectorAll("time[data-local]");
  for (const time of times) time.textContent = localTime(time.dateTime);
}

/** @param {string} moment with its zone */
export function localTime(moment) {
  return format.format(new Date(moment));
}
