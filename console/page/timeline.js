// The timeline of a pair.

import { find, make, makeSvg, replaceRows } from "./dom.js";
import { STEP_NAMES, nameStep, formatTime } from "./labels.js";

/** Show the events since `started_at_ms`, and the current state at `now_ms`, if any. */
export function showTimeline({ entries, present, started_at_ms, now_ms }) {
  const list = find("#timeline");
  const current = list.querySelector(".present");
  replacePast(list, entries, started_at_ms);
  if (!present) {
    current?.remove();
    return;
  }
  // Keep the same element, so that its animation continues.
  const shown = current ?? drawEntry({ at_ms: 0, ...present, tone: "present" }, 0);
  find(".at", shown).textContent = formatOffset(now_ms - started_at_ms);
  find(".what", shown).textContent = present.what;
  find(".details", shown).textContent = present.details;
  if (list.lastElementChild !== shown) list.append(shown);
}

function replacePast(list, entries, started_at_ms) {
  const key = JSON.stringify(entries);
  if (list.dataset.shown === key) return;
  list.dataset.shown = key;
  for (const old of list.querySelectorAll("li:not(.present)")) old.remove();
  list.prepend(...entries.map((entry) => drawEntry(entry, started_at_ms)));
}

function drawEntry({ at_ms, what, details, tone }, started_at_ms) {
  return make(
    "li",
    { class: tone },
    make("span", { class: "at" }, formatOffset(at_ms - started_at_ms)),
    make("span", { class: "what" }, what),
    make("span", { class: "details" }, details),
  );
}

function formatOffset(offset_ms) {
  const time_ms = Math.max(offset_ms, 0);
  return time_ms < 100_000 ? `+${(time_ms / 1000).toFixed(2)} s` : `+${formatTime(time_ms)}`;
}

/** Show the time of each step (`timings_ms`) as a part of the total `total_ms`. */
export function showTimes(timings_ms, total_ms) {
  const parts = Object.entries(timings_ms ?? {})
    .filter(([step, time_ms]) => step !== "total" && time_ms > 0)
    .map(([step, time_ms]) => ({ name: nameStep(step), part: STEP_NAMES.indexOf(step) + 1, time_ms }));
  const root = find("#times");
  root.hidden = parts.length === 0;
  if (root.hidden) return;
  const measured_ms = parts.reduce((sum, { time_ms }) => sum + time_ms, 0);
  const rest_ms = Math.max(total_ms - measured_ms, 0);
  const all = [...parts, { name: "Queues, start of functions, publication", part: "rest", time_ms: rest_ms }];
  replaceRows(root, [all], () => drawTimes(all, measured_ms + rest_ms));
}

function drawTimes(parts, total_ms) {
  let left = 0;
  const bars = parts.map(({ part, time_ms }) => {
    const width = (1000 * time_ms) / total_ms;
    const bar = makeSvg("rect", { class: `part-${part}`, x: left, width, height: 16 });
    left += width;
    return bar;
  });
  return make(
    "div",
    {},
    makeSvg(
      "svg",
      { class: "bar", viewBox: "0 0 1000 16", preserveAspectRatio: "none", "aria-hidden": "true" },
      ...bars,
    ),
    make("ul", { class: "key" }, ...parts.map(drawKey)),
  );
}

function drawKey({ name, part, time_ms }) {
  const swatch = makeSvg("rect", { class: `part-${part}`, width: 10, height: 10, rx: 2 });
  return make(
    "li",
    {},
    makeSvg("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, swatch),
    `${name} `,
    make("strong", {}, formatTime(time_ms)),
  );
}
