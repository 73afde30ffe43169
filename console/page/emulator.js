// The provider's emulator: its calls, and the switches for its scenarios.

import { callApi } from "./api.js";
import { find, make, replaceRows } from "./dom.js";
import { formatCount, formatMoment, formatTime } from "./labels.js";

const JUDGES = {
  faces: "It compares faces with dlib's networks. Its scores are not comparable with the provider's.",
  pixels: "It compares pixels, not faces.",
};

/** Refresh the emulator once. `onScenarios` receives the titles of active switches, `onProblem` an error. */
export async function refreshEmulator(onScenarios, onProblem) {
  const { judge, pass_score, calls, ...script } = await callApi("emulator");
  find("#emulator").hidden = false;
  find("#to-switches").hidden = false;
  showScript(script, onScenarios, onProblem);
  find("#emulator-hint").textContent =
    `${JUDGES[judge]} A score of ${pass_score} or more passes. ` +
    "Switch on a behaviour of the provider, then compare a pair. If several are on, the first applies." +
    (script.other_scenarios ? ` Also active: ${formatCount(script.other_scenarios, "scenario")} from outside this page.` : "");
  replaceRows(find("#calls"), calls, drawCall);
  find("#calls-none").hidden = calls.length > 0;
}

function showScript({ switches }, onScenarios, onProblem) {
  const change = async (on) => {
    try {
      showScript(await callApi("emulator/switches", { method: "PUT", body: on }), onScenarios, onProblem);
    } catch (error) {
      onProblem(error);
    }
  };
  replaceRows(find("#switches"), switches, (toggled) =>
    drawSwitch(toggled, () =>
      change(switches.filter((other) => other.is_on !== (other === toggled)).map(({ id }) => id)),
    ),
  );
  onScenarios(switches.filter(({ is_on }) => is_on).map(({ title }) => title));
}

function drawSwitch({ id, title, description, is_on, played }, onChange) {
  const button = make(
    "button",
    {
      type: "button",
      role: "switch",
      "aria-checked": String(is_on),
      "aria-describedby": `description-${id}`,
      "data-key": id,
    },
    make("span", { class: "title" }, title),
    make("span", { class: "knob", "aria-hidden": "true" }),
  );
  button.addEventListener("click", onChange);
  const count = played ? ` Played ${formatCount(played, "time")}.` : "";
  return make("li", { class: is_on ? "on" : "" }, button, make("p", { id: `description-${id}` }, description + count));
}

function drawCall(call) {
  const outcome = call.code ?? (call.delivery === "reset" ? "connection reset" : call.delivery);
  const tone = call.code === "Success" ? "match" : "fault";
  const parts = [
    call.region,
    call.http_status && `HTTP ${call.http_status}`,
    formatTime(call.duration_ms),
    call.is_billed ? "compared" : "not compared",
    call.scenario && `scenario ${call.scenario}`,
  ];
  return make(
    "li",
    {},
    make(
      "div",
      {},
      make("span", { class: `chip ${tone}` }, outcome),
      make("span", { class: "subject" }, call.merchant_biz_id ?? ""),
      make("span", { class: "hint" }, parts.filter(Boolean).join(" · ")),
      make("time", { datetime: call.received_at }, formatMoment(Date.parse(call.received_at))),
    ),
  );
}
