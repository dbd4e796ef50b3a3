// Checks receipts (transcription/receipts/signatures.py) and the files they are about, in the browser alone.
import { element } from "./element.js";
import { icon } from "./icon.js";
import { localTime } from "./localtime.js";
import { data, find } from "./query.js";
import { text } from "./strings.js";

const LARGEST = 1024 ** 3; // bytes that are held in memory for their checksum

/** @typedef {{action: string, by: string, name: string, times: number, first: string, last: string}} Event */
/** @typedef {{id: string, name?: string, sha256?: string, added_at?: string, sound_erased_at?: string | null}} About */
/** @typedef {{recording: About, organisation: {name: string}, portal: string, made_at: string, events: Event[], transcriptions: {made_by: string, asked_at: string}[]}} Receipt */
/** @typedef {{receipt: Receipt, signature: {public_key: string, value: string}}} Signed */

const form = find(document, "[data-receipts]", HTMLFormElement);
const receiptField = find(form, "#receipt", HTMLInputElement);
const mediaField = find(form, "#media", HTMLInputElement);
const place = find(form, "[data-receipt]", HTMLElement);
const keys = data(form, "keys").split(" ");
/** @type {Record<string, string>} */
const actions = JSON.parse(find(document, "#actions", HTMLScriptElement).text);

form.addEventListener("change", check);
form.addEventListener("submit", (event) => event.preventDefault());

let checks = 0;

async function check() {
  const own = ++checks;
  place.replaceChildren();
  const file = receiptField.files?.[0];
  if (!file) return;
  const found = await checked(file);
  if (own === checks) place.replaceChildren(...found); // another file may have been chosen meanwhile
}

/** @param {File} file */
async function checked(file) {
  if (!crypto.subtle) return [notice("bad", text("receipt_needs_https"))];
  try {
    /** @type {Signed} */
    const signed = JSON.parse(await file.text());
    const { public_key: key } = signed.signature;
    const shown = described(signed.receipt);
    if (!(await isGenuine(signed))) return [notice("bad", text("receipt_changed"))];
    const whose = keys.includes(key)
      ? notice("good", text("receipt_genuine"))
      : notice("bad", text("receipt_other_key", { key }));
    return [whose, ...(await mediaNotice(signed.receipt)), ...shown];
  } catch (error) {
    const isOld = error instanceof DOMException && error.name === "NotSupportedError";
    return [notice("bad", text(isOld ? "receipt_old_browser" : "receipt_none"))];
  }
}

/** @param {Signed} signed */
async function isGenuine({ receipt, signature }) {
  const key = await crypto.subtle.importKey("raw", bytes(signature.public_key), "Ed25519", false, ["verify"]);
  const message = new TextEncoder().encode(canonical(receipt));
  return await crypto.subtle.verify("Ed25519", key, bytes(signature.value), message);
}

/** RFC 8785, of what has no fractions. @param {unknown} value @returns {string} */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new RangeError("Numbers are whole.");
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(",")}}`;
}

/** @param {string} base64 */
function bytes(base64) {
  return Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
}

/** @param {Receipt} receipt */
async function mediaNotice({ recording }) {
  const file = mediaField.files?.[0];
  if (!file) return [];
  if (file.size > LARGEST) return [notice("", text("receipt_large", { sum: recording.sha256 ?? "" }))];
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  const hex = [...sum].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [
    hex === recording.sha256 ? notice("good", text("receipt_same_file")) : notice("bad", text("receipt_other_file")),
  ];
}

/** @param {Receipt} receipt */
function described({ recording, organisation, portal, made_at, events, transcriptions }) {
  const facts = [
    [text("receipt_recording"), recording.name ?? recording.id],
    [text("receipt_organisation"), `${organisation.name}, ${portal}`],
    ["SHA-256", recording.sha256 ?? "–"],
    [text("receipt_added"), recording.added_at ? localTime(recording.added_at) : "–"],
    [text("receipt_models"), transcriptions.map((one) => one.made_by || "–").join("; ") || "–"],
    [text("receipt_made"), localTime(made_at)],
  ];
  return [
    element("dl", { class: "facts" }, ...facts.map(([name, value]) => fact(name ?? "", value ?? ""))),
    element("ul", { class: "receipt__events" }, ...events.map(line)),
  ];
}

/**
 * @param {string} name
 * @param {string} value
 */
function fact(name, value) {
  return element("div", {}, element("dt", {}, name), element("dd", { class: "facts__long" }, value));
}

/** @param {Event} event */
function line({ action, by, name, times, first, last }) {
  const when = times > 1 ? `${localTime(first)} – ${localTime(last)}` : localTime(first);
  return element(
    "li",
    {},
    actions[action] ?? action,
    ` · ${name || by} · `,
    element("small", {}, `${when} · ${times}×`),
  );
}

/**
 * @param {"good" | "bad" | ""} kind
 * @param {string} message
 */
function notice(kind, message) {
  const sign = kind === "good" ? "circle-check" : "circle-alert";
  const body = element("div", { class: "notice__body" }, message);
  return element("div", { class: `notice${kind ? ` notice--${kind}` : ""}` }, icon(sign), body);
}
