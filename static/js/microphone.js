// The microphone, as every part of the pages opens it.
import { text } from "./strings.js";
import { toast } from "./toast.js";

const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];

/** Whether this browser records, here: only over https. */
export function mayRecord() {
  return Boolean(navigator.mediaDevices && globalThis.MediaRecorder);
}

/** Returns the microphone's sound; null where there is none, or the person denied it, which a toast says. */
export async function openMicrophone() {
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true },
    });
  } catch (error) {
    const missing = error instanceof DOMException && error.name === "NotFoundError";
    toast(text(missing ? "mic_missing" : "mic_denied"), { error: true });
    return null;
  }
}

/** @param {MediaStream} stream */
export function recorderOf(stream) {
  const mimeType = TYPES.find((candidate) => MediaRecorder.isTypeSupported(candidate)) ?? "";
  return new MediaRecorder(stream, { mimeType, audioBitsPerSecond: 64_000 });
}
