// The page's words: portal/web/strings.py translates them, base.html carries them as JSON.
const holder = document.getElementById("strings");
/** @type {Record<string, string>} */
const strings = holder ? JSON.parse(holder.textContent) : {};

/**
 * The text `key` with its {placeholders} filled.
 * @param {string} key
 * @param {Record<string, string | number | undefined>} [values]
 */
export function text(key, values = {}) {
  return (strings[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}
