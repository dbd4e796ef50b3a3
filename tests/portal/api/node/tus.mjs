// Uploads one file many times with tus-js-client, a few at once, and prints the status of every answer.
import { readFileSync } from "node:fs";
import { Upload } from "tus-js-client";

const [endpoint, key, path, count, chunkSize] = process.argv.slice(2);
const content = readFileSync(path);
const statuses = {};
let left = Number(count);

function upload() {
  return new Promise((resolve, reject) => {
    new Upload(content, {
      endpoint,
      headers: { Authorization: `Bearer ${key}` },
      metadata: { filename: "a.wav" },
      chunkSize: Number(chunkSize),
      retryDelays: null,
      onAfterResponse: (request, response) => {
        const asked = `${request.getMethod()} ${response.getStatus()}`;
        statuses[asked] = (statuses[asked] ?? 0) + 1;
      },
      onSuccess: resolve,
      onError: reject,
    }).start();
  });
}

async function uploadOneAfterTheOther() {
  while (left-- > 0) await upload();
}

await Promise.all([1, 2, 3, 4].map(uploadOneAfterTheOther));
console.log(JSON.stringify(statuses));
