// A large file on its way in pieces (tus): it goes on after a lost connection, and after a reload when the same file
// is chosen again with the same options. What is remembered here is the upload's address, under a fingerprint.
import { OTHER_TENANT, otherTenant, pageHeaders } from "./page.js";

export const LARGE = 16 * 1024 * 1024;
const PIECE = 32 * 1024 * 1024;
const PATIENCE = [0, 1000, 3000, 5000, 10_000, 20_000, 30_000, 30_000, 60_000];
const FORGOTTEN = 3 * 24 * 3600 * 1000;
const POLL = 1000;
const PREFIX = "uploads::";
const WORTH_ANOTHER_TRY = new Set([0, 408, 409, 423]);
const NOT_ABOUT_THE_UPLOAD = new Set([401, 403, 409, 429]);

/** @typedef {{status: number, code?: string, detail?: string}} Problem as RFC 9457 has it, or our own */
/** @typedef {{state?: string, recording: string, problem: Problem} & Partial<Problem>} Told what the server says of an upload */
/** @import { DetailedError, HttpRequest, HttpResponse, PreviousUpload, Upload, UrlStorage } from "tus-js-client" */
/** @typedef {Error & Partial<Pick<DetailedError, "originalResponse">> & {causingError?: Cause | null}} Failure */
/** @typedef {Error & {status?: number}} Cause its status is set in keepAddress */
/** @typedef {{size: number | null, uploadUrl: string | null, since: number}} Entry what is remembered of an upload */
/**
 * @typedef {object} Listeners
 * @property {(bytes: number) => void} progress
 * @property {() => void} lost the connection broke, and it is tried again
 * @property {() => void} checking the last byte is there
 * @property {(told: Told) => void} accepted
 * @property {(status: number, problem?: Partial<Problem> | null) => void} failed
 */

export class Resumable {
  /** @type {Upload | null} */
  #upload = null;
  #polling = 0;
  #stopped = true;

  /**
   * @param {File} file
   * @param {Record<string, string>} fields
   * @param {Listeners} on
   */
  constructor(file, fields, on) {
    this.file = file;
    this.fields = fields;
    this.on = on;
  }

  /** Begins, or goes on where it stopped. */
  async start() {
    this.#stopped = false;
    try {
      this.#upload ??= await this.#create();
    } catch {
      return this.on.failed(0);
    }
    if (this.#stopped) return;
    addEventListener("online", this.#online);
    this.#upload.start();
  }

  pause() {
    this.#stop();
    this.#upload?.abort();
  }

  /** What the server has of it is deleted; if it can't be told now, the server forgets it after a day. */
  cancel() {
    this.#stop();
    this.#upload?.abort(true).catch(() => {});
  }

  async #create() {
    await import("../vendor/tus-js-client/tus.min.js");
    const upload = new globalThis.tus.Upload(this.file, {
      endpoint: new URL("/api/v1/uploads", location.href).href,
      chunkSize: PIECE,
      retryDelays: PATIENCE,
      headers: { Accept: "application/json" },
      onBeforeRequest: sayPage,
      metadata: { filename: this.file.name, ...this.fields },
      fingerprint: () => Promise.resolve(fingerprint(this.file, this.fields)),
      urlStorage: new Addresses(),
      removeFingerprintOnSuccess: true,
      onAfterResponse: keepAddress,
      onShouldRetry: (error) => this.#triesAgain(error),
      onProgress: (sent) => this.on.progress(sent),
      onSuccess: () => this.#arrived(),
      onError: (error) => this.#fail(error),
    });
    const [earlier] = await upload.findPreviousUploads();
    if (earlier) upload.resumeFromPreviousUpload(earlier);
    return upload;
  }

  /** @param {Failure} error */
  #triesAgain(error) {
    const status = statusOf(error);
    const again = (WORTH_ANOTHER_TRY.has(status) && !isOtherTenant(error)) || status >= 500;
    if (again && !this.#stopped) this.on.lost();
    return again;
  }

  /** No need to wait for the next try when the network is back. */
  #online = () => {
    if (this.#stopped) return;
    this.#upload?.abort();
    this.#upload?.start();
  };

  /** The last byte is there; the server says when it has looked at it. */
  async #arrived() {
    removeEventListener("online", this.#online);
    this.on.checking();
    while (!this.#stopped) {
      const said = await this.#said();
      if (this.#stopped) return;
      if (said?.state === "accepted") return this.on.accepted(said);
      if (said?.state === "refused") return this.on.failed(said.problem.status, said.problem);
      if (said?.code === OTHER_TENANT || said?.status === 401 || said?.status === 404)
        return this.on.failed(said.status ?? 0, said);
      await new Promise((done) => {
        this.#polling = setTimeout(done, POLL);
      });
    }
  }

  /**
   * The upload or a problem; null when the server could not be reached.
   * @returns {Promise<Told | null>}
   */
  async #said() {
    try {
      const headers = { ...pageHeaders(), Accept: "application/json" };
      return await (await fetch(this.#upload?.url ?? "", { headers })).json();
    } catch {
      return null;
    }
  }

  /** @param {Failure} error */
  #fail(error) {
    this.#stop();
    this.on.failed(statusOf(error), isOtherTenant(error) ? { detail: otherTenant() } : problemOf(error));
  }

  #stop() {
    this.#stopped = true;
    clearTimeout(this.#polling);
    removeEventListener("online", this.#online);
  }
}

/**
 * Upload addresses in localStorage, without the names and options that tus-js-client would put beside them.
 * @implements {UrlStorage}
 */
class Addresses {
  async findAllUploads() {
    return this.#find(PREFIX);
  }

  /** @param {string} fingerprint */
  async findUploadsByFingerprint(fingerprint) {
    return this.#find(`${PREFIX}${fingerprint}::`);
  }

  /** @param {string} key */
  async removeUpload(key) {
    try {
      localStorage.removeItem(key);
    } catch {
      /* a forbidden storage: nothing was kept in it */
    }
  }

  /**
   * @param {string} fingerprint
   * @param {PreviousUpload} upload
   */
  async addUpload(fingerprint, { size, uploadUrl }) {
    const key = `${PREFIX}${fingerprint}::${Date.now()}`;
    try {
      localStorage.setItem(key, JSON.stringify({ size, uploadUrl, since: Date.now() }));
    } catch {
      /* a full or forbidden storage: this upload can't be resumed after a reload */
    }
    return key;
  }

  /**
   * @param {string} prefix
   * @returns {PreviousUpload[]}
   */
  #find(prefix) {
    const found = [];
    for (const key of keys()) {
      const entry = read(key);
      if (!entry || entry.since < Date.now() - FORGOTTEN) localStorage.removeItem(key);
      else if (key.startsWith(prefix)) found.push(remembered(key, entry));
    }
    return found;
  }
}

/** The keys of all uploads; none where the storage is forbidden: nothing was remembered there either. */
function keys() {
  try {
    return Object.keys(localStorage).filter((name) => name.startsWith(PREFIX));
  } catch {
    return [];
  }
}

/**
 * @param {string} key
 * @returns {Entry | null}
 */
function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {Entry} entry
 */
function remembered(key, { size, uploadUrl, since }) {
  const creationTime = new Date(since).toString();
  return { size, uploadUrl, creationTime, metadata: {}, urlStorageKey: key, parallelUploadUrls: null };
}

/**
 * One for each person, tenant, file and set of options.
 * @param {File} file
 * @param {Record<string, string>} fields
 */
function fingerprint(file, fields) {
  const about = JSON.stringify([file.name, file.type, file.size, file.lastModified, fields]);
  return `${document.body.dataset.owner}-${file.size}-${hash(about)}`;
}

/**
 * cyrb53, public domain: 53 bits, as `crypto.subtle` is missing over plain http.
 * @param {string} text
 */
function hash(text) {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    a = Math.imul(a ^ code, 2654435761);
    b = Math.imul(b ^ code, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (4294967296 * (2097151 & b) + (a >>> 0)).toString(36);
}

/**
 * A refused HEAD makes tus-js-client forget the address; but who is signed out may sign in again.
 * @param {HttpRequest} request
 * @param {HttpResponse} response
 */
function keepAddress(request, response) {
  const status = response.getStatus();
  if (request.getMethod() === "HEAD" && NOT_ABOUT_THE_UPLOAD.has(status)) {
    throw Object.assign(new Error(`The offset was refused: ${status}`), { status });
  }
}

/**
 * Each request says what is so now: a new token after a new sign-in.
 * @param {HttpRequest} request
 */
function sayPage(request) {
  for (const [name, value] of Object.entries(pageHeaders())) request.setHeader(name, value);
}

/**
 * An answer to HEAD has no body, and no other 409.
 * @param {Failure} error
 */
function isOtherTenant(error) {
  return error.causingError?.status === 409 || problemOf(error)?.code === OTHER_TENANT;
}

/** @param {Failure} error */
function statusOf(error) {
  return error.originalResponse?.getStatus() ?? error.causingError?.status ?? 0;
}

/**
 * @param {Failure} error
 * @returns {Problem | null}
 */
function problemOf(error) {
  try {
    return JSON.parse(error.originalResponse?.getBody() ?? "null");
  } catch {
    return null;
  }
}
