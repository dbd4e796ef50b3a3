// Numbers as people read them.
import { text } from "./strings.js";

const locale = document.documentElement.lang || "en";
/** @param {number} number */
const pad = (number) => String(number).padStart(2, "0");

/**
 * 65 -> "1:05", 3725 -> "1:02:05"
 * @param {number} seconds
 */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

/**
 * To milliseconds.
 * @param {number} seconds
 */
export function rounded(seconds) {
  return Math.round(seconds * 1000) / 1000;
}

/**
 * Returns a time as `1:02:03.450`.
 * @param {number} seconds
 */
export function clocked(seconds) {
  const whole = rounded(Math.max(0, seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = (whole % 60).toFixed(3).padStart(6, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/**
 * 1536000 -> "1.5 MB", as Django's `filesizeformat` says it on the server.
 * @param {number} count
 */
export function bytes(count) {
  const units = ["", "KB", "MB", "GB", "TB"];
  let value = count;
  let step = 0;
  while (value >= 1024 && step < units.length - 1) {
    value /= 1024;
    step += 1;
  }
  if (!step) return new Intl.NumberFormat(locale, { style: "unit", unit: "byte", unitDisplay: "long" }).format(value);
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return `${new Intl.NumberFormat(locale, digits).format(value)}\u00a0${units[step]}`;
}

/**
 * Seconds of waiting, rounded as an honest guess is.
 * @param {number} seconds
 */
export function wait(seconds) {
  if (seconds < 50) return text("wait_moment");
  return text("wait_minutes", { minutes: number(Math.max(1, Math.round(seconds / 60))) });
}

/** @param {number} value */
export function number(value) {
  return new Intl.NumberFormat(locale).format(value);
}

/**
 * Local date and time as "2026-11-22 18:05".
 * @param {Date} date
 */
export function stamp(date) {
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${pad(date.getHours())}:${pad(date.getMinutes())}`;
}
