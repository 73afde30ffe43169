// What is asked for: both photos, the way in, the region, the bounds.

import { find, make, tell } from "./dom.js";
import { describeBounds } from "./labels.js";

const WAY_HINTS = {
  bucket: "Puts two objects into the inbox; the stack does the rest.",
  api: "One request, answered with the verdict if it comes in time.",
  async: "One request, answered at once; the verdict comes later.",
};

export class PairForm {
  #form = find("#order");
  #stack;
  #slots;
  #scenes = [];
  #isSending = false;

  /** `onOrder` gets what is asked for, once it can be sent. */
  constructor(stack, slots, onOrder) {
    this.#stack = stack;
    this.#slots = slots;
    this.#offerRegions();
    this.#form.addEventListener("input", () => this.update());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#findObstacle() === null) onOrder(this.#read());
    });
    this.update();
  }

  /** The titles of the scenarios that the emulator plays. */
  set scenes(titles) {
    this.#scenes = titles;
    this.update();
  }

  set isSending(isSending) {
    this.#isSending = isSending;
    this.update();
  }

  /** Bring the form into line with what is chosen. */
  update() {
    const { way, region } = this.#readChoices();
    const isByBucket = way === "bucket";
    find("#way-hint").textContent = WAY_HINTS[way];
    find("#region-hint").textContent = this.#describeRegion(region);
    for (const input of this.#listBounds()) {
      input.disabled = isByBucket;
      if (isByBucket) input.value = this.#stack.bounds[input.name];
    }
    find("#bounds-hint").textContent = isByBucket ? "For the bucket the stack's own bounds apply." : this.#describeBounds();
    const obstacle = this.#findObstacle();
    find("#compare").disabled = obstacle !== null;
    tell(find("#compare-hint"), obstacle ?? this.#describeScenarios());
  }

  #offerRegions() {
    const { regions, default_region } = this.#stack;
    const chosen = default_region ?? regions[0].name;
    const pills = regions.map(({ name }) => {
      const input = make("input", { type: "radio", name: "region", value: name, checked: name === chosen });
      return make("label", {}, input, make("span", {}, name));
    });
    find("#regions").replaceChildren(...pills);
  }

  #readChoices() {
    const { way, region } = this.#form.elements;
    return { way: way.value, region: region.value };
  }

  #listBounds() {
    return Object.keys(this.#stack.bounds).map((name) => this.#form.elements[name]);
  }

  #readBounds() {
    const inputs = this.#listBounds();
    // Only what can be changed is ever found at fault.
    if (inputs.some((input) => input.value === "" || !input.validity.valid)) return null;
    return Object.fromEntries(inputs.map((input) => [input.name, input.valueAsNumber]));
  }

  #read() {
    const photos = Object.fromEntries(this.#slots.map(({ role, id }) => [role, id]));
    return { ...this.#readChoices(), bounds: this.#readBounds(), photos };
  }

  #findObstacle() {
    if (this.#isSending) return "Sending …";
    return this.#findObstacleInPhotos() ?? this.#findObstacleInApi();
  }

  #findObstacleInPhotos() {
    const missing = this.#slots.filter(({ size_bytes }) => !size_bytes);
    if (missing.length === 2) return "Choose both photos first.";
    if (missing.length === 1) return `Choose the ${missing[0].role} photo, too.`;
    if (this.#slots.some(({ id, refusal }) => id === null && refusal === null)) return "Examining the photos …";
    if (this.#slots.some(({ id }) => id === null)) return "A photo could not be examined: choose it again.";
    return null;
  }

  #findObstacleInApi() {
    if (this.#readChoices().way === "bucket") return null;
    if (this.#readBounds() === null) return "Both bounds are scores from 0 to 100.";
    const size_bytes = this.#slots.reduce((sum, slot) => sum + slot.size_bytes, 0);
    if (size_bytes <= this.#stack.inline_limit_bytes) return null;
    const limit = this.#stack.inline_limit_bytes / 1e6;
    return `Together over ${limit} MB, which is what a request to the API holds: choose the bucket.`;
  }

  #describeRegion(name) {
    const region = this.#stack.regions.find((one) => one.name === name);
    const called = this.#stack.is_local ? ` Called here: ${region.called_address}.` : "";
    return `Photos are sent to ${region.provider_host} only.${called}`;
  }

  #describeBounds() {
    const bounds = this.#readBounds();
    return bounds ? describeBounds(bounds) : "A bound is a score from 0 to 100.";
  }

  #describeScenarios() {
    return this.#scenes.length ? `The emulator plays: ${this.#scenes.join(", ")}.` : null;
  }
}
