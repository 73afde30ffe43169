// The console: its parts, put together.

import { ask, poll } from "./api.js";
import { refreshStack } from "./status.js";
import { find, tell } from "./dom.js";
import { refreshEmulator } from "./emulator.js";
import { PairForm } from "./form.js";
import { Outcome } from "./outcome.js";
import { PhotoSlot } from "./photos.js";
import { Search } from "./search.js";

const stack = await ask("stack");
const [source, target] = ["source", "target"].map((role) => new PhotoSlot(role));
const slots = [source, target];
const outcome = new Outcome(stack, slots, showHealth);
const form = new PairForm(stack, slots, compare);
const search = new Search(stack.regions, (row) => outcome.review(row));

source.onMore = (file) => target.take(file);
target.onMore = (file) => source.take(file);
for (const slot of slots) slot.onChange = () => form.update();
find("#samples").addEventListener("click", takeSamples);
introduce();
addEventListener("popstate", followAddress);
followAddress();
outcome.onSettled = poll(stack.refresh_interval_ms, lookAround, showHealth);
if (stack.has_emulator) poll(stack.refresh_interval_ms, () => refreshEmulator(showScenarios, showProblem));

function introduce() {
  find("#stack-name").textContent = `${stack.name}, ${stack.is_local ? "on this machine" : stack.aws_region}`;
  tell(find("#missing-detector"), stack.missing_detector);
  tell(
    find("#provider-note"),
    stack.is_local
      ? "The provider here is the emulator. Its networks are not the provider's: scores are not comparable."
      : "This is a deployed stack: every comparison calls the provider, and is billed.",
  );
}

/** Show the comparison that the page's address names, or none. */
function followAddress() {
  const id = location.pathname.match(/^\/comparisons\/(.+)$/)?.[1];
  if (id) outcome.open(decodeURIComponent(id));
  else outcome.close();
}

async function lookAround() {
  const { results } = await refreshStack();
  await search.show(results);
  await outcome.lookAgain();
}

async function compare(order) {
  form.isSending = true;
  await outcome.send(order);
  form.isSending = false;
}

async function takeSamples() {
  const button = find("#samples");
  button.disabled = true;
  try {
    for (const [number, slot] of slots.entries()) await takeSample(slot, number);
    // The button that was pressed has lost the focus.
    source.focus();
  } catch (error) {
    showProblem(error);
  } finally {
    button.disabled = false;
  }
}

async function takeSample(slot, number) {
  const photo = await ask(`samples/${number}`);
  await slot.take(new File([photo], `portrait-${number + 1}.jpg`, { type: photo.type }));
}

function showScenarios(titles) {
  form.scenes = titles;
}

function showProblem(error) {
  tell(find("#problem"), error.message);
}

function showHealth(error) {
  const health = find("#health");
  health.className = `health ${error ? "ill" : "well"}`;
  const text = error ? `No answer: ${error.message}` : "Live";
  if (health.textContent !== text) health.textContent = text;
}
