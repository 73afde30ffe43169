// The console: creates its parts and connects them.

import { callApi, poll } from "./api.js";
import { find, setText } from "./dom.js";
import { refreshEmulator } from "./emulator.js";
import { PairForm } from "./form.js";
import { Outcome } from "./outcome.js";
import { PhotoPanel } from "./photos.js";
import { Search } from "./search.js";
import { refreshStack } from "./status.js";

const stack = await callApi("stack");
const [source, target] = ["source", "target"].map((role) => new PhotoPanel(role));
const panels = [source, target];
const outcome = new Outcome(stack, panels, showHealth);
const form = new PairForm(stack, panels, compare);
const search = new Search(stack.regions, (row) => outcome.show(row));

source.onMore = (file) => target.load(file);
target.onMore = (file) => source.load(file);
for (const panel of panels) panel.onChange = () => form.update();
find("#samples").addEventListener("click", loadSamples);
describeStack();
addEventListener("popstate", followAddress);
followAddress();
outcome.onSettled = poll(stack.refresh_interval_ms, refresh, showHealth);
if (stack.has_emulator) poll(stack.refresh_interval_ms, () => refreshEmulator(showScenarios, showProblem));

function describeStack() {
  find("#stack-name").textContent = `${stack.name}, ${stack.is_local ? "on this machine" : stack.aws_region}`;
  setText(find("#missing-detector"), stack.missing_detector);
  setText(
    find("#provider-note"),
    stack.is_local
      ? "The emulator replaces the provider. Its scores are not comparable with the provider's."
      : "This is a deployed stack. Every comparison calls the provider and is billed.",
  );
}

/** Show the comparison in the page's address, or none. */
function followAddress() {
  const id = location.pathname.match(/^\/comparisons\/(.+)$/)?.[1];
  if (id) outcome.open(decodeURIComponent(id));
  else outcome.close();
}

async function refresh() {
  const { results } = await refreshStack();
  await search.show(results);
  await outcome.refresh();
}

async function compare(submission) {
  form.isSending = true;
  await outcome.send(submission);
  form.isSending = false;
}

async function loadSamples() {
  const button = find("#samples");
  button.disabled = true;
  try {
    for (const [number, panel] of panels.entries()) await loadSample(panel, number);
    // The disabled button has lost the focus.
    source.focus();
  } catch (error) {
    showProblem(error);
  } finally {
    button.disabled = false;
  }
}

async function loadSample(panel, number) {
  const photo = await callApi(`samples/${number}`);
  await panel.load(new File([photo], `portrait-${number + 1}.jpg`, { type: photo.type }));
}

function showScenarios(titles) {
  form.scenarios = titles;
}

function showProblem(error) {
  setText(find("#problem"), error.message);
}

function showHealth(error) {
  const health = find("#health");
  health.className = `health ${error ? "unhealthy" : "healthy"}`;
  const text = error ? `No response: ${error.message}` : "Live";
  if (health.textContent !== text) health.textContent = text;
}
