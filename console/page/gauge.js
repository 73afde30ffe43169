// The verdict: a gauge with the score and both bounds, the verdict and its reason.

import { find, make, makeSvg } from "./dom.js";
import { nameVerdict, describeBounds } from "./labels.js";

const ARC = { d: "M 25 118 A 95 95 0 0 1 215 118", pathLength: "100" };

let shown = "";

/** Show a verdict or a state without one: `{tone, label, sentence, code, score, bounds}`. */
export function showVerdict(view) {
  // Redraw only after a change: an arc that grows twice looks like a second verdict.
  const key = JSON.stringify(view);
  if (key === shown) return;
  shown = key;
  const root = find("#verdict");
  root.className = `verdict ${view.tone}`;
  root.replaceChildren(
    view.isError ? make("div", { class: "sign", "aria-hidden": "true" }, "!") : drawGauge(view),
    make("p", { class: "label" }, view.label),
    make("p", { class: "sentence" }, view.sentence),
    ...(view.code ? [make("p", { class: "code" }, make("code", {}, view.code))] : []),
    ...(view.bounds ? [make("p", { class: "bounds-text" }, describeBounds(view.bounds))] : []),
  );
}

/** Return the view of an event's data. */
export function viewVerdict(data) {
  const { label, tone } = nameVerdict(data.verdict);
  const rejected = data.photo ? ` Rejected photo: ${data.photo}.` : "";
  return {
    tone,
    label,
    sentence: data.message + rejected,
    code: data.reason,
    score: data.score,
    bounds: data.score === null ? null : data.bounds,
    isError: tone === "fault",
  };
}

function drawGauge({ score = null, bounds, tone }) {
  const scoreText = score === null ? "No score yet" : `Score ${score} of 100`;
  const label = bounds ? `${scoreText}; match from ${bounds.match_from}, no match up to ${bounds.no_match_up_to}` : scoreText;
  return makeSvg(
    "svg",
    { viewBox: "-14 -8 268 154", role: "img", "aria-label": label, class: tone },
    makeSvg("path", { class: "gauge-track", ...ARC }),
    ...(score ? [makeSvg("path", { class: "gauge-score", ...ARC, "stroke-dasharray": `${score} 200` })] : []),
    ...(bounds ? drawBounds(bounds) : []),
    makeSvg("text", { class: "gauge-text", x: 120, y: 112 }, score === null ? "–" : String(score)),
    makeSvg("text", { class: "gauge-label", x: 120, y: 132 }, score === null ? "" : "of 100"),
  );
}

function drawBounds({ match_from, no_match_up_to }) {
  // If the bounds are close, one label would cover the other.
  const isClose = Math.abs(match_from - no_match_up_to) < 6;
  return [
    ...drawBound(match_from, "match", isClose && match_from <= no_match_up_to ? -5 : 0),
    ...drawBound(no_match_up_to, "no_match", isClose && match_from <= no_match_up_to ? 5 : 0),
  ];
}

function drawBound(bound, tone, shift) {
  const angle = Math.PI * (1 - bound / 100);
  const [across, up] = [Math.cos(angle), Math.sin(angle)];
  const label = Math.PI * (1 - Math.min(Math.max(bound + shift, 0), 100) / 100);
  const at = (radius, turn = [across, up]) => [120 + radius * turn[0], 118 - radius * turn[1]];
  const [x1, y1] = at(84);
  const [x2, y2] = at(106);
  const [x, y] = at(121, [Math.cos(label), Math.sin(label)]);
  return [
    makeSvg("line", { class: `gauge-bound ${tone}`, x1, y1, x2, y2 }),
    makeSvg("text", { class: "gauge-label", x, y: y + 4 }, String(bound)),
  ];
}
