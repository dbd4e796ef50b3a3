// <time datetime data-local>: the server writes its own zone, the reader sees theirs.
const format = new Intl.DateTimeFormat(document.documentElement.lang || "en", {
  dateStyle: "medium",
  timeStyle: "short",
  hourCycle: "h23",
});

export function localise(root) {
  for (const time of root.querySelectorAll("time[data-local]"))
    time.textContent = format.format(new Date(time.dateTime));
}
