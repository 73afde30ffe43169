// How the stack is: queues, quota, and the latest verdicts.

import { ask } from "./api.js";
import { find, make, replaceRows, tell } from "./dom.js";
import { VERDICT_NAMES, nameVerdict, sayClock, sayCount, sayTime } from "./words.js";

/** Look at the stack once; `onChoose` hears which verdict was chosen. Returns what was seen. */
export async function lookAtStack(onChoose) {
  const overview = await ask("overview");
  replaceRows(find("#queues"), overview.queues, drawQueue);
  replaceRows(find("#quota"), Object.entries(overview.regions), drawQuota);
  replaceRows(find("#results"), overview.results, (result) => drawResult(result, onChoose));
  find("#results-none").hidden = overview.results.length > 0;
  find("#tally").textContent = sayTally(overview);
  tell(
    find("#results-cut"),
    overview.is_cut && `Only the first ${sayCount(overview.records, "record")} of the ledger are looked at.`,
  );
  return overview;
}

function drawQueue({ name, depth, dead_letters }) {
  const figure = (count, tone = "") =>
    make("td", { class: count ? tone : "none" }, count === null ? "–" : String(count));
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, name),
    figure(depth?.ready ?? null),
    figure(depth?.in_flight ?? null),
    figure(depth?.delayed ?? null),
    figure(dead_letters, "fault"),
  );
}

function drawQuota([region, use]) {
  const fill = make("span", { class: "fill" });
  // By the object model, which the content security policy lets a module do.
  fill.style.width = `${Math.min(use.share, 1) * 100}%`;
  const share = `${Math.round(use.share * 100)} % of ${use.calls_per_s.toFixed(2)} a second`;
  const calls = `${sayCount(use.calls_last_minute, "call")} in the last minute: ${share}`;
  return make(
    "li",
    { "data-region": region },
    make("span", { class: "region" }, region),
    make("span", { class: "circuit" + (use.circuit.state === "closed" ? "" : " fault") }, sayCircuit(use.circuit)),
    make("span", { class: "meter", "aria-hidden": "true" }, fill),
    make("span", { class: "hint" }, calls),
    make("span", { class: "hint bucket" }, sayBucket(use)),
  );
}

function sayCircuit({ state, open_s }) {
  if (state === "closed") return "circuit closed";
  const since = open_s === null ? "" : ` for ${sayTime(open_s * 1000)}`;
  return `circuit ${state.replaceAll("_", " ")}${since}`;
}

function sayBucket({ held_back_s, booked_s }) {
  if (held_back_s > 0) return `held back for ${held_back_s.toFixed(1)} s`;
  return booked_s > 0 ? `booked ${booked_s.toFixed(1)} s ahead` : "free";
}

function sayTally({ verdicts_today, open, pending }) {
  const verdicts = VERDICT_NAMES.filter((verdict) => verdicts_today[verdict])
    .map((verdict) => `${verdicts_today[verdict]} ${nameVerdict(verdict).word.toLowerCase()}`);
  const parts = [
    verdicts.length ? `Today (UTC): ${verdicts.join(", ")}` : "No verdict today",
    open ? `${sayCount(open, "comparison")} open` : null,
    pending ? `${sayCount(pending, "verdict")} still to leave` : null,
  ];
  return `${parts.filter(Boolean).join("; ")}.`;
}

function drawResult(result, onChoose) {
  const { word, tone } = nameVerdict(result.verdict);
  const button = make(
    "button",
    { type: "button", "data-key": result.id },
    make("span", { class: `chip ${tone}` }, word),
    make("span", { class: "figure" }, result.score === null ? "" : String(result.score)),
    make("span", { class: "subject" }, result.pair_id ?? result.id),
    make("span", { class: "hint" }, describeResult(result)),
    make("time", { datetime: new Date(result.ended_at_ms).toISOString() }, sayClock(result.ended_at_ms)),
  );
  button.addEventListener("click", () => onChoose(result));
  return make("li", {}, button);
}

function describeResult({ region, reason, attempts, published_at_ms }) {
  const parts = [region, reason, sayCount(attempts, "call"), published_at_ms ? null : "still to leave"];
  return parts.filter(Boolean).join(" · ");
}
