// The page's words: portal/web/strings.py translates them, base.html carries them as JSON.
const holder = document.getElementById("strings");
const strings = holder ? JSON.parse(holder.textContent) : {};

/** The text `key` with its {placeholders} filled. */
export function text(key, values = {}) {
  return (strings[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
