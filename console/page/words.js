// Facts in words; those that the demo's page has too come from the server.

import { ask } from "./api.js";

const { verdicts, steps } = await ask("words");

export const VERDICT_NAMES = Object.keys(verdicts);
export const STEP_NAMES = Object.keys(steps);

export function nameStep(step) {
  return steps[step] ?? step.replaceAll("_", " ");
}

export function nameVerdict(verdict) {
  return verdicts[verdict] ?? { word: verdict, tone: "plain" };
}

export function sayTime(time_ms) {
  if (time_ms < 1000) return `${Math.round(time_ms)} ms`;
  if (time_ms < 120_000) return `${(time_ms / 1000).toFixed(1)} s`;
  return `${Math.floor(time_ms / 60_000)} min ${Math.round((time_ms % 60_000) / 1000)} s`;
}

export function sayCount(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

export function sayClock(at_ms) {
  return new Date(at_ms).toLocaleTimeString("en-GB");
}

export function sayBounds({ match_from, no_match_up_to }) {
  const words = `Match from ${match_from}, no match up to ${no_match_up_to}`;
  if (match_from === 0 && no_match_up_to === 100) return `${words}: the provider's own word decides.`;
  return `${words}; a score short of its bound is for a person.`;
}
