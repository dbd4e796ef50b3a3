// What every request of a page's scripts says of the page: the organisation that it was drawn for. The server answers 409
// when another tab has switched to another one since, and 401 when the session is over. Nothing is reloaded then: what
// was typed, recorded or chosen stays, and a notice says how to go on.
import { csrfToken } from "./csrf.js";
import { element } from "./element.js";
import { find } from "./query.js";
import { text } from "./strings.js";

export const NO_SESSION = "signed_out"; // these two are codes of portal/web/errors.py
export const OTHER_TENANT = "other_tenant";
const { tenant = "", tenantName = "" } = document.body.dataset;

/** What a share link's page says of who writes: portal/shared/comments.py. @type {Record<string, string>} */
export const guestHeaders = {};

export function pageHeaders() {
  return { ...guestHeaders, "X-CSRFToken": csrfToken(), "X-Page-Tenant": tenant, "X-Requested-With": "XMLHttpRequest" };
}

/**
 * `fetch` with the page's headers.
 * @param {string} address
 * @param {Omit<RequestInit, "headers"> & {headers?: Record<string, string>}} [options]
 */
export async function ask(address, { headers = {}, ...options } = {}) {
  const answer = await fetch(address, { ...options, headers: { ...pageHeaders(), ...headers } });
  if (answer.status === 401) tellSignedOut();
  else if (await isOtherTenant(answer)) tellOtherTenant();
  else if (answer.ok) forgetNotice();
  return answer;
}

/** @param {Response} answer */
async function isOtherTenant(answer) {
  if (answer.status !== 409) return false;
  /** @type {{error?: {code?: string}, code?: string}} */
  const said = await answer
    .clone()
    .json()
    .catch(() => ({}));
  return (said.error?.code ?? said.code) === OTHER_TENANT;
}

/**
 * The address of a consumer, for the page's organisation.
 * @param {string} path
 */
export function socketAddress(path) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}?tenant=${tenant}`;
}

/**
 * "Signed out", with a link to the sign-in in another tab.
 * @returns {(Node | string)[]}
 */
export function signedOut() {
  return [text("signed_out"), " ", element("a", { href: "/accounts/login/", target: "_blank" }, text("sign_in"))];
}

export function otherTenant() {
  return text("other_tenant", { tenant: tenantName });
}

export function tellSignedOut() {
  tell(NO_SESSION, signedOut());
}

export function tellOtherTenant() {
  tell(OTHER_TENANT, [otherTenant()]);
}

/** @param {string} [kind] of that kind, or of any */
export function forgetNotice(kind) {
  const notice = document.getElementById("page-notice");
  if (!kind || notice?.dataset.kind === kind) notice?.remove();
}

/**
 * @param {string} kind
 * @param {(Node | string)[]} said
 */
function tell(kind, said) {
  const before = document.getElementById("page-notice");
  if (before?.dataset.kind === kind) return;
  before?.remove();
  const notice = element(
    "div",
    { id: "page-notice", class: "notice notice--warn", role: "status" },
    element("p", { class: "notice__body" }, ...said),
  );
  notice.dataset.kind = kind;
  find(document, "#main", HTMLElement).prepend(notice);
}
