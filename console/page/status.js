// The state of the stack: queues, quota, and holds on regions.

import { ask } from "./api.js";
import { find, make, replaceRows, tell } from "./dom.js";
import { VERDICT_NAMES, nameVerdict, formatCount } from "./labels.js";

/** Look at the stack once. Returns what was seen. */
export async function refreshStack() {
  const overview = await ask("overview");
  replaceRows(find("#queues"), overview.queues, drawQueue);
  replaceRows(find("#quota"), Object.entries(overview.regions), drawQuota);
  find("#tally").textContent = describeTally(overview);
  tell(find("#holds"), describeHolds(overview.regions));
  tell(
    find("#results-cut"),
    overview.is_cut && `Only the first ${formatCount(overview.records, "record")} of the ledger are read.`,
  );
  return overview;
}

/** Return which regions are on hold and why, empty if none is. */
function describeHolds(regions) {
  return Object.entries(regions)
    .filter(([, { hold }]) => hold?.is_in_force)
    .map(([region, { hold }]) => `Calls to ${region} are on hold: ${hold.text}.`)
    .join(" ");
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
  const calls = `${formatCount(use.calls_last_minute, "call")} in the last minute: ${share}`;
  return make(
    "li",
    { "data-region": region },
    make("span", { class: "region" }, region),
    drawHold(use.hold),
    make("span", { class: "meter", "aria-hidden": "true" }, fill),
    make("span", { class: "hint" }, calls),
  );
}

function drawHold(hold) {
  if (!hold) return make("span", { class: "hold" }, "not on hold");
  const words = hold.is_in_force ? "on hold" : "about to be tried";
  return make("span", { class: "hold fault", title: hold.text }, `${words}: ${hold.code}`);
}

function describeTally({ verdicts_today, erased_today, open, pending }) {
  const verdicts = VERDICT_NAMES.filter((verdict) => verdicts_today[verdict])
    .map((verdict) => `${verdicts_today[verdict]} ${nameVerdict(verdict).word.toLowerCase()}`);
  const parts = [
    verdicts.length ? `Today (UTC): ${verdicts.join(", ")}` : "No verdict today",
    erased_today ? `${erased_today} erased` : null,
    open ? `${formatCount(open, "comparison")} open` : null,
    pending ? `${formatCount(pending, "verdict")} to be published` : null,
  ];
  return `${parts.filter(Boolean).join("; ")}.`;
}
