// A moment of a recording in the page's address, as in media fragments: #t= and seconds, or with minutes and hours.
const MOMENT = /^#t=(?:(\d+):)?(?:(\d+):)?(\d+(?:\.\d+)?)$/;

/** The seconds that the page's address names; null where it names none. */
export function named() {
  const found = MOMENT.exec(location.hash);
  if (!found) return null;
  const [hours, minutes] = found[2] === undefined ? [0, Number(found[1] ?? 0)] : [Number(found[1]), Number(found[2])];
  return 3600 * hours + 60 * minutes + Number(found[3]);
}

/** The address of the page at a moment. @param {number} seconds */
export function addressAt(seconds) {
  return `${location.href.split("#")[0]}#t=${Number(seconds.toFixed(2))}`;
}
