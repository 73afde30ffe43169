// The form for a pair: way in, region and bounds.

import { find, make, setText } from "./dom.js";
import { describeBounds } from "./labels.js";

const WAY_HINTS = {
  bucket: "Puts both photos into the inbox.",
  api: "Sends one request. The response has the verdict if it comes in time.",
  async: "Sends one request. The response is immediate, and the verdict comes later.",
};

export class PairForm {
  #form = find("#pair-form");
  #stack;
  #panels;
  #scenarios = [];
  #isSending = false;

  /** `onSubmit` receives the pair with its options. */
  constructor(stack, panels, onSubmit) {
    this.#stack = stack;
    this.#panels = panels;
    this.#showRegions();
    this.#form.addEventListener("input", () => this.update());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#findObstacle() === null) onSubmit(this.#read());
    });
    this.update();
  }

  /** The titles of the emulator's active scenarios. */
  set scenarios(titles) {
    this.#scenarios = titles;
    this.update();
  }

  set isSending(isSending) {
    this.#isSending = isSending;
    this.update();
  }

  /** Update hints and buttons for the current choices. */
  update() {
    const { way, region } = this.#readChoices();
    const isByBucket = way === "bucket";
    find("#way-hint").textContent = WAY_HINTS[way];
    find("#region-hint").textContent = this.#describeRegion(region);
    for (const input of this.#listBounds()) {
      input.disabled = isByBucket;
      if (isByBucket) input.value = this.#stack.bounds[input.name];
    }
    find("#bounds-hint").textContent = isByBucket ? "The stack's own bounds apply to pairs in the bucket." : this.#describeBounds();
    const obstacle = this.#findObstacle();
    find("#compare").disabled = obstacle !== null;
    setText(find("#compare-hint"), obstacle ?? this.#describeScenarios());
  }

  #showRegions() {
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
    if (inputs.some((input) => input.value === "" || !input.validity.valid)) return null;
    return Object.fromEntries(inputs.map((input) => [input.name, input.valueAsNumber]));
  }

  #read() {
    const photos = Object.fromEntries(this.#panels.map(({ role, id }) => [role, id]));
    return { ...this.#readChoices(), bounds: this.#readBounds(), photos };
  }

  #findObstacle() {
    if (this.#isSending) return "Sending …";
    return this.#findPhotoObstacle() ?? this.#findApiObstacle();
  }

  #findPhotoObstacle() {
    const missing = this.#panels.filter(({ size_bytes }) => !size_bytes);
    if (missing.length === 2) return "Choose both photos first.";
    if (missing.length === 1) return `Choose the ${missing[0].role} photo.`;
    if (this.#panels.some(({ id, refusal }) => id === null && refusal === null)) return "Examining the photos …";
    if (this.#panels.some(({ id }) => id === null)) return "A photo could not be examined. Choose it again.";
    return null;
  }

  #findApiObstacle() {
    if (this.#readChoices().way === "bucket") return null;
    if (this.#readBounds() === null) return "Both bounds are scores from 0 to 100.";
    const size_bytes = this.#panels.reduce((sum, panel) => sum + panel.size_bytes, 0);
    if (size_bytes <= this.#stack.inline_limit_bytes) return null;
    const limit = this.#stack.inline_limit_bytes / 1e6;
    return `The photos have more than ${limit} MB together, the limit of an API request. Choose the bucket.`;
  }

  #describeRegion(name) {
    const region = this.#stack.regions.find((candidate) => candidate.name === name);
    const called = this.#stack.is_local ? ` This stack calls ${region.called_address}.` : "";
    return `Photos are sent only to ${region.provider_host}.${called}`;
  }

  #describeBounds() {
    const bounds = this.#readBounds();
    return bounds ? describeBounds(bounds) : "A bound is a score from 0 to 100.";
  }

  #describeScenarios() {
    return this.#scenarios.length ? `Active in the emulator: ${this.#scenarios.join(", ")}.` : null;
  }
}
