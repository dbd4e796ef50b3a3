// The token as the browser has it now: it changes with each sign-in, in another tab too. Where the cookie can't be read
// or is gone, the one that this page was drawn with.
export function csrfToken() {
  const cookie = document.cookie.split("; ").find((one) => one.startsWith("csrftoken="));
  return cookie?.slice("csrftoken=".length) || document.querySelector('meta[name="csrf-token"]').content;
}

/** Forms too send the token of now. */
export function watchForms() {
  document.addEventListener(
    "submit",
    (event) => {
      const field = event.target.querySelector("input[name=csrfmiddlewaretoken]");
      if (field) field.value = csrfToken();
    },
    true,
  );
}
