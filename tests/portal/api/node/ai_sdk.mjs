// Vercel's AI SDK against the product: prints what it was given as JSON, for test_other_clients.py to look at.
//     node ai_sdk.mjs BASE_URL API_KEY SPEECH

import { readFile } from "node:fs/promises";

import { createOpenAI } from "@ai-sdk/openai";
import { transcribe } from "ai";

const [baseURL, apiKey, speech] = process.argv.slice(2);
const provider = createOpenAI({ baseURL, apiKey });
const audio = await readFile(speech);

async function transcribed(model, options = {}) {
  const { openai, ...others } = options;
  const { text, segments, language, durationInSeconds, warnings, responses } = await transcribe({
    model: provider.transcription(model),
    audio,
    maxRetries: 0,
    providerOptions: { openai: openai ?? {} },
    ...others,
  });
  const ignored = responses[0].headers["x-ignored-parameters"] ?? "";
  return { text, segments, language, durationInSeconds, warnings: warnings.length, ignored, body: responses[0].body };
}

console.log(
  JSON.stringify({
    whisper: await transcribed("whisper-1"),
    gpt: await transcribed("gpt-4o-transcribe"),
    words: await transcribed("whisper-1", { openai: { timestampGranularities: ["word"] } }),
    gpt_words: await transcribed("gpt-4o-mini-transcribe", {
      openai: { responseFormat: "verbose_json", timestampGranularities: ["word", "segment"] },
    }),
    everything: await transcribed("gpt-transcribe", {
      openai: {
        chunkingStrategy: { type: "server_vad", threshold: 0.5, silenceDurationMs: 300 },
        include: ["logprobs"],
        keywords: ["Quick Fox"],
        languages: ["en"],
        prompt: "A fox.",
        temperature: 0,
      },
    }),
    refused: await transcribed("whisper-9").catch(({ name, statusCode, data }) => ({ name, statusCode, data })),
  }),
);
