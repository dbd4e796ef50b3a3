// <form data-passkey="create|get|ask">: the browser makes or asks for a passkey before the form is sent. Its options are in
// the page; those of a sign-in without a password ("ask") are asked for when the button is pressed, as they hold once.
import { ask } from "./page.js";
import { find } from "./query.js";
import { text } from "./strings.js";

const OPTIONS = "#passkey-options";
class TooMany extends Error {}

/** @param {HTMLFormElement} form */
async function credentialOf(form) {
  if (form.dataset.passkey === "create") return await create(form);
  const options =
    form.dataset.passkey === "ask"
      ? await asked(form.action)
      : JSON.parse(find(document, OPTIONS, Element).textContent);
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options.request_options.publicKey);
  return await navigator.credentials.get({ publicKey });
}

/** @param {HTMLFormElement} form */
async function create(form) {
  const { publicKey } = JSON.parse(find(document, OPTIONS, Element).textContent).creation_options;
  if (find(form, "[name=passwordless]", HTMLInputElement).checked) {
    const chosen = { residentKey: "required", requireResidentKey: true, userVerification: "required" };
    publicKey.authenticatorSelection = { ...publicKey.authenticatorSelection, ...chosen };
  }
  return await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) });
}

/** @param {string} address */
async function asked(address) {
  const answer = await ask(address, { headers: { Accept: "application/json" } });
  if (answer.status === 429) throw new TooMany();
  if (!answer.ok) throw new Error(`${address} answered ${answer.status}`);
  return await answer.json();
}

/** "Remember me" stands in the form of the password, and holds for both. @param {HTMLFormElement} form */
function remember(form) {
  const isWanted = find(document, "[type=checkbox][name=remember]", HTMLInputElement).checked;
  find(form, "[name=remember]", HTMLInputElement).value = isWanted ? "on" : "";
}

/** @param {unknown} error */
function reasonOf(error) {
  if (error instanceof TooMany) return text("passkey_too_many");
  if (!(error instanceof DOMException)) return text("passkey_failed");
  if (error.name === "InvalidStateError") return text("passkey_known");
  return text(error.name === "NotAllowedError" ? "passkey_cancelled" : "passkey_failed");
}

/** @param {HTMLFormElement} form */
function watch(form) {
  const credential = find(form, "[name=credential]", HTMLInputElement);
  const problem = find(form, "[data-passkey-error]", HTMLElement);
  credential.value = "";
  form.addEventListener("submit", async (event) => {
    if (credential.value) return;
    event.preventDefault();
    problem.hidden = true;
    try {
      credential.value = JSON.stringify(await credentialOf(form));
      if (form.dataset.passkey === "ask") remember(form);
      form.requestSubmit();
    } catch (error) {
      problem.textContent = reasonOf(error);
      problem.hidden = false;
    }
  });
}

const isAble = typeof PublicKeyCredential !== "undefined" && "parseRequestOptionsFromJSON" in PublicKeyCredential;
for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (form instanceof HTMLFormElement) {
    watch(form);
    if (isAble) form.hidden = false;
    else if (!form.hidden) {
      find(form, "[data-passkey-error]", HTMLElement).textContent = text("passkey_old_browser");
      find(form, "[data-passkey-error]", HTMLElement).hidden = false;
    }
  }
}
