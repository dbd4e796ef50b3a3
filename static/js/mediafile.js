// What the browser can tell about a file before it is sent.
const PATIENCE = 4000;

/**
 * Its length in seconds, or null when the browser can't say (a live recording, an unknown format).
 * @param {Blob} file
 * @returns {Promise<number | null>}
 */
export function lengthOf(file) {
  return new Promise((resolve) => {
    const media = document.createElement("audio");
    const address = URL.createObjectURL(file);
    /** @param {number | null} seconds */
    const done = (seconds) => {
      clearTimeout(timer);
      media.removeAttribute("src");
      URL.revokeObjectURL(address);
      resolve(seconds !== null && Number.isFinite(seconds) && seconds > 0 ? seconds : null);
    };
    const timer = setTimeout(() => done(null), PATIENCE);
    media.preload = "metadata";
    media.addEventListener("loadedmetadata", () => done(media.duration));
    media.addEventListener("error", () => done(null));
    media.src = address;
  });
}
