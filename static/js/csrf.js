// The token stands in <meta name="csrf-token">, so the cookie may be HttpOnly.
export function csrfToken() {
  return document.querySelector('meta[name="csrf-token"]').content;
}
