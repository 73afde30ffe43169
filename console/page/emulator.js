// The provider's emulator: its calls, and the switches of its scenarios.

import { ask } from "./api.js";
import { find, make, replaceRows } from "./dom.js";
import { formatCount, formatMoment, formatTime } from "./labels.js";

const JUDGES = {
  faces: "It compares faces with dlib's networks, not with the provider's: scores are not comparable.",
  pixels: "It compares pixels, not faces.",
};

/** Look at the emulator once; `onScenarios` hears the titles of what is switched on, `onProblem` what went wrong. */
export async function refreshEmulator(onScenarios, onProblem) {
  const { judge, pass_score, calls, ...script } = await ask("emulator");
  find("#emulator").hidden = false;
  find("#to-switches").hidden = false;
  showScript(script, onScenarios, onProblem);
  find("#emulator-hint").textContent =
    `${JUDGES[judge]} A score of ${pass_score} or more passes. ` +
    "Switch on what the provider should do, then compare a pair. If several are on, the first decides." +
    (script.other_scenarios ? ` ${formatCount(script.other_scenarios, "scenario")} set by others also apply.` : "");
  replaceRows(find("#calls"), calls, drawCall);
  find("#calls-none").hidden = calls.length > 0;
}

function showScript({ switches }, onScenarios, onProblem) {
  const change = async (on) => {
    try {
      showScript(await ask("emulator/switches", { method: "PUT", body: on }), onScenarios, onProblem);
    } catch (error) {
      onProblem(error);
    }
  };
  replaceRows(find("#switches"), switches, (one) =>
    drawSwitch(one, () => change(switches.filter((other) => other.is_on !== (other === one)).map(({ id }) => id))),
  );
  onScenarios(switches.filter(({ is_on }) => is_on).map(({ title }) => title));
}

function drawSwitch({ id, title, told, is_on, played }, onChange) {
  const button = make(
    "button",
    {
      type: "button",
      role: "switch",
      "aria-checked": String(is_on),
      "aria-describedby": `told-${id}`,
      "data-key": id,
    },
    make("span", { class: "title" }, title),
    make("span", { class: "knob", "aria-hidden": "true" }),
  );
  button.addEventListener("click", onChange);
  const count = played ? ` Played ${formatCount(played, "time")}.` : "";
  return make("li", { class: is_on ? "on" : "" }, button, make("p", { id: `told-${id}` }, told + count));
}

function drawCall(call) {
  const answer = call.code ?? (call.delivery === "reset" ? "connection broken" : call.delivery);
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
      make("span", { class: `chip ${tone}` }, answer),
      make("span", { class: "subject" }, call.merchant_biz_id ?? ""),
      make("span", { class: "hint" }, parts.filter(Boolean).join(" · ")),
      make("time", { datetime: call.received_at }, formatMoment(Date.parse(call.received_at))),
    ),
  );
}
