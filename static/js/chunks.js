// What the microphone heard, kept in this browser (IndexedDB) until the server has it for good.
// One database a person and tenant: whoever signs in next on this machine is not offered it.
const owner = document.body.dataset.owner;

/** @type {Record<string, string>} */
const EXTENSIONS = { "audio/webm": "webm", "audio/mp4": "m4a", "audio/ogg": "ogg" };

/**
 * @typedef {object} Take
 * @property {string} id
 * @property {string} name
 * @property {string} type the MIME type, with its codecs
 * @property {number} started milliseconds since 1970
 */

/** @typedef {Take & {seconds: number}} KeptTake */
/** @typedef {{take: string, number: number, blob: Blob}} Chunk */

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(`recordings-${owner}`, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("takes", { keyPath: "id" });
      request.result.createObjectStore("chunks", { keyPath: ["take", "number"] });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * Runs `work` in one transaction and returns the result of the request that it returns.
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(takes: IDBObjectStore, chunks: IDBObjectStore) => IDBRequest<T>} work
 * @returns {Promise<T>}
 */
async function run(mode, work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(["takes", "chunks"], mode);
      const request = work(transaction.objectStore("takes"), transaction.objectStore("chunks"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/** @param {string} id */
const ofTake = (id) => IDBKeyRange.bound([id, 0], [id, Infinity]);

/** @param {Take} take */
export function begin(take) {
  return run("readwrite", (takes) => takes.put({ ...take, seconds: 0 }));
}

/**
 * @param {Take} take
 * @param {number} number of the chunk, from 0
 * @param {Blob} blob
 * @param {number} seconds the length of the take so far
 */
export function append(take, number, blob, seconds) {
  return run("readwrite", (takes, chunks) => {
    chunks.put({ take: take.id, number, blob });
    return takes.put({ ...take, seconds });
  });
}

/** @param {string} id */
export function forget(id) {
  return run("readwrite", (takes, chunks) => {
    takes.delete(id);
    return chunks.delete(ofTake(id));
  });
}

/**
 * Returns the whole take as one file.
 * @param {Take} take
 */
export async function file(take) {
  /** @type {Chunk[]} */
  const rows = await run("readonly", (_takes, chunks) => chunks.getAll(ofTake(take.id)));
  const blobs = rows.map((row) => row.blob);
  return fileOf(take, blobs);
}

/**
 * @param {Take} take
 * @param {Blob[]} blobs
 */
export function fileOf(take, blobs) {
  const type = take.type.replace(/;.*/, "");
  return new File(blobs, `${take.name}.${EXTENSIONS[type] ?? "webm"}`, { type });
}

/** Returns the takes of an earlier visit that no open tab is working on. */
export async function leftBehind() {
  /** @type {KeptTake[]} */
  const takes = await run("readonly", (store) => store.getAll());
  const held = new Set((await navigator.locks?.query())?.held?.map((lock) => lock.name) ?? []);
  return takes.filter((take) => !held.has(lockName(take.id)));
}

/**
 * Says "mine" to other tabs until the returned function is called or the tab dies.
 * @param {string} id
 */
export function hold(id) {
  let release = () => {};
  /** @type {Promise<void>} */
  const released = new Promise((resolve) => {
    release = resolve;
  });
  navigator.locks?.request(lockName(id), () => released);
  return () => release();
}

/** @param {string} id */
function lockName(id) {
  return `take-${id}`;
}
