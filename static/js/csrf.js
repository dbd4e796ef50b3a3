import { find } from "./query.js";

// The token as the browser has it now: it changes with each sign-in, in another tab too. Where the cookie can't be read
// or is gone, the one that this page was drawn with.
export function csrfToken() {
  const cookie = document.cookie.split("; ").find((one) => one.startsWith("csrftoken="));
  return cookie?.slice("csrftoken=".length) || find(document, 'meta[name="csrf-token"]', HTMLMetaElement).content;
}

/** Forms too send the token of now. */
export function watchForms() {
  document.addEventListener(
    "submit",
    (event) => {
      if (!(event.target instanceof HTMLFormElement)) return;
      /** @type {HTMLInputElement | null} */
      const field = event.target.querySelector("input[name=csrfmiddlewaretoken]");
      if (field) field.value = csrfToken();
    },
    true,
  );
}
