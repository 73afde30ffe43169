// Labels and formats. The labels that other pages share come from the server.

import { callApi } from "./api.js";

const { verdicts, steps } = await callApi("labels");

export const VERDICT_NAMES = Object.keys(verdicts);
export const STEP_NAMES = Object.keys(steps);

export function nameStep(step) {
  return steps[step] ?? step.replaceAll("_", " ");
}

export function nameVerdict(verdict) {
  return verdicts[verdict] ?? { label: verdict, tone: "plain" };
}

export function formatTime(time_ms) {
  if (time_ms < 1000) return `${Math.round(time_ms)} ms`;
  if (time_ms < 120_000) return `${(time_ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(time_ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

export function formatCount(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** Return a date and time in UTC, to the second, like the command. */
export function formatMoment(at_ms) {
  return `${new Date(at_ms).toISOString().slice(0, 19).replace("T", " ")}Z`;
}

export function describeBounds({ match_from, no_match_up_to }) {
  const text = `Match from ${match_from}, no match up to ${no_match_up_to}`;
  if (match_from === 0 && no_match_up_to === 100) return `${text}: the provider decides.`;
  return `${text}. Other results are for review.`;
}
