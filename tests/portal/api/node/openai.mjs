// OpenAI's own Node SDK against the product: prints what it was given as JSON, for test_openai_node.py to look at.
//     node openai.mjs BASE_URL API_KEY SPEECH NOT_AUDIO

import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";

import OpenAI, { toFile } from "openai";

const [baseURL, apiKey, speech, notAudio] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const model = "whisper-1";

const transcribe = (options = {}) =>
  client.audio.transcriptions.create({ model, file: createReadStream(speech), ...options });

async function collected(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** What an error of the SDK says, or null where none was thrown. */
async function thrown(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    const { status, code, param, type, message, requestID } = error;
    return { name: error.constructor.name, status, code, param, type, message, requestID };
  }
}

const raw = await client.audio.transcriptions
  .create({ model, file: createReadStream(speech) }, { headers: { "x-request-id": "node-1" } })
  .withResponse();
const stranger = new OpenAI({ baseURL, apiKey: "wp_00000000_wrong", maxRetries: 0 });

console.log(
  JSON.stringify({
    json: await transcribe(),
    unnamed: await transcribe({ file: await toFile(await readFile(speech)) }),
    text: await transcribe({ response_format: "text" }),
    srt: await transcribe({ response_format: "srt" }),
    vtt: await transcribe({ response_format: "vtt" }),
    verbose: await transcribe({ response_format: "verbose_json" }),
    words: await transcribe({ response_format: "verbose_json", timestamp_granularities: ["word"] }),
    both: await transcribe({ response_format: "verbose_json", timestamp_granularities: ["word", "segment"] }),
    strategy: await transcribe({ chunking_strategy: { type: "server_vad", threshold: 0.5 }, include: ["logprobs"] }),
    stream: await collected(await transcribe({ stream: true })),
    streamed_srt: await collected(await transcribe({ stream: true, response_format: "srt" })),
    translation: await client.audio.translations.create({ model, file: createReadStream(speech) }),
    models: await collected(client.models.list()),
    one_model: await client.models.retrieve("base"),
    headers: { requestId: raw.request_id, contentType: raw.response.headers.get("content-type") },
    errors: {
      wrong_key: await thrown(stranger.models.list()),
      unknown_model: await thrown(transcribe({ model: "whisper-9" })),
      unknown_format: await thrown(transcribe({ response_format: "docx" })),
      no_words: await thrown(transcribe({ timestamp_granularities: ["word"] })),
      not_audio: await thrown(transcribe({ file: createReadStream(notAudio) })),
      empty: await thrown(transcribe({ file: await toFile(Buffer.alloc(0), "empty.wav") })),
      deletion: await thrown(client.models.delete("base")),
      streamed: await thrown(transcribe({ stream: true, file: createReadStream(notAudio) })),
    },
  }),
);
