// What the microphone heard, kept in this browser (IndexedDB) until the server has it for good.
// One database a person and tenant: whoever signs in next on this machine is not offered it.
const owner = document.body.dataset.owner;

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

async function run(mode, work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(["takes", "chunks"], mode);
      const result = work(transaction.objectStore("takes"), transaction.objectStore("chunks"));
      transaction.oncomplete = () => resolve(result?.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

const ofTake = (id) => IDBKeyRange.bound([id, 0], [id, Infinity]);

/** `take` is {id, name, type, started}. */
export function begin(take) {
  return run("readwrite", (takes) => takes.put({ ...take, seconds: 0 }));
}

export function append(take, number, blob, seconds) {
  return run("readwrite", (takes, chunks) => {
    chunks.put({ take: take.id, number, blob });
    takes.put({ ...take, seconds });
  });
}

export function forget(id) {
  return run("readwrite", (takes, chunks) => {
    takes.delete(id);
    chunks.delete(ofTake(id));
  });
}

/** The whole take as one file. */
export async function file(take) {
  const rows = await run("readonly", (takes, chunks) => chunks.getAll(ofTake(take.id)));
  const type = take.type.split(";")[0];
  const extension = { "audio/webm": "webm", "audio/mp4": "m4a", "audio/ogg": "ogg" }[type] ?? "webm";
  return new File(
    rows.map((row) => row.blob),
    `${take.name}.${extension}`,
    { type },
  );
}

/** Takes of an earlier visit that no open tab is working on. */
export async function leftBehind() {
  const takes = await run("readonly", (store) => store.getAll());
  const held = new Set((await navigator.locks?.query())?.held.map((lock) => lock.name) ?? []);
  return takes.filter((take) => !held.has(lockName(take.id)));
}

/** Says "mine" to other tabs until the returned function is called or the tab dies. */
export function hold(id) {
  let release = () => {};
  const released = new Promise((resolve) => {
    release = resolve;
  });
  navigator.locks?.request(lockName(id), () => released);
  return release;
}

function lockName(id) {
  return `take-${id}`;
}
