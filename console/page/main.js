// The console: its parts, put together.

import { ask, keepLooking } from "./api.js";
import { lookAtStack } from "./board.js";
import { find, tell } from "./dom.js";
import { lookAtEmulator } from "./emulator.js";
import { OrderForm } from "./order.js";
import { Outcome } from "./outcome.js";
import { PhotoSlot } from "./photos.js";

const stack = await ask("stack");
const [source, target] = ["source", "target"].map((role) => new PhotoSlot(role));
const slots = [source, target];
const outcome = new Outcome(stack, slots, tellHealth);
const form = new OrderForm(stack, slots, compare);

source.onMore = (file) => target.take(file);
target.onMore = (file) => source.take(file);
for (const slot of slots) slot.onChange = () => form.weigh();
find("#samples").addEventListener("click", takeSamples);
introduce();
outcome.onSettled = keepLooking(stack.look_interval_ms, lookAround, tellHealth);
if (stack.has_emulator) keepLooking(stack.look_interval_ms, () => lookAtEmulator(tellScenes, tellProblem));

function introduce() {
  find("#stack-name").textContent = `${stack.name}, ${stack.is_local ? "on this machine" : stack.aws_region}`;
  tell(
    find("#provider-note"),
    stack.is_local
      ? "The provider here is the emulator. Its scores come from pixels: it recognises no one."
      : "This is a deployed stack: every comparison calls the provider, and is billed.",
  );
}

async function lookAround() {
  const overview = await lookAtStack((result) => outcome.review(result));
  outcome.regions = overview.regions;
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
  } catch (error) {
    tellProblem(error);
  } finally {
    button.disabled = false;
  }
}

async function takeSample(slot, number) {
  const photo = await ask(`samples/${number}`);
  await slot.take(new File([photo], `portrait-${number + 1}.jpg`, { type: photo.type }));
}

function tellScenes(titles) {
  form.scenes = titles;
}

function tellProblem(error) {
  tell(find("#problem"), error.message);
}

function tellHealth(error) {
  const health = find("#health");
  health.className = `health ${error ? "ill" : "well"}`;
  const text = error ? `No answer: ${error.message}` : "Live";
  if (health.textContent !== text) health.textContent = text;
}
