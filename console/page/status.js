// The state of the stack: queues, quota, and holds on regions.

import { callApi } from "./api.js";
import { find, make, replaceRows, setText } from "./dom.js";
import { VERDICT_NAMES, nameVerdict, formatCount } from "./labels.js";

/** Refresh the state of the stack once. Returns the overview. */
export async function refreshStack() {
  const overview = await callApi("overview");
  replaceRows(find("#queues"), overview.queues, drawQueue);
  replaceRows(find("#quota"), Object.entries(overview.regions), drawQuota);
  find("#tally").textContent = describeTally(overview);
  setText(find("#holds"), describeHolds(overview.regions));
  setText(
    find("#results-cut"),
    overview.is_cut && `Only the first ${formatCount(overview.records, "record")} of the ledger were read.`,
  );
  return overview;
}

/** Return the regions on hold with the reasons, empty if there are none. */
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
  // The content security policy allows styles only through the object model.
  fill.style.width = `${Math.min(use.share, 1) * 100}%`;
  const share = `${Math.round(use.share * 100)} % of ${use.calls_per_s.toFixed(2)} per second`;
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
  const state = hold.is_in_force ? "on hold" : "waits for its trial";
  return make("span", { class: "hold fault", title: hold.text }, `${state}: ${hold.code}`);
}

function describeTally({ verdicts_today, erased_today, open, pending }) {
  const verdicts = VERDICT_NAMES.filter((verdict) => verdicts_today[verdict])
    .map((verdict) => `${verdicts_today[verdict]} ${nameVerdict(verdict).label.toLowerCase()}`);
  const parts = [
    verdicts.length ? `Today (UTC): ${verdicts.join(", ")}` : "No verdicts today (UTC)",
    erased_today ? `${erased_today} erased` : null,
    open ? `${formatCount(open, "comparison")} open` : null,
    pending ? `${formatCount(pending, "verdict")} to be published` : null,
  ];
  return `${parts.filter(Boolean).join("; ")}.`;
}
