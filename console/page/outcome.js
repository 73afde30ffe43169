// What comes of a pair: its way, its verdict, its event.

import { ask } from "./api.js";
import { find, tell } from "./dom.js";
import { showVerdict, viewVerdict } from "./gauge.js";
import { showTimeline, showTimes } from "./timeline.js";

const WAYS = { bucket: "the bucket", api: "the API", async: "the API, asynchronously", upload: "the bucket" };
const WAITING = { tone: "plain", word: "On its way", sentence: "No verdict yet." };
const ERASED = { tone: "plain", word: "Erased", sentence: "Nothing is left of it." };
const TICK_MS = 100;

export class Outcome {
  /** What the regions are like by now, as the overview tells it. */
  regions = {};
  /** Hears of it when a verdict has left. */
  onSettled = () => {};
  #stack;
  #slots;
  #tellHealth;
  #turn = 0;
  #announced = "";

  constructor(stack, slots, tellHealth) {
    this.#stack = stack;
    this.#slots = slots;
    this.#tellHealth = tellHealth;
  }

  /** Send a pair, and follow it until its verdict has left. Returns once it has been taken or refused. */
  async send({ way, region, bounds, photos }) {
    const turn = this.#begin(`By ${WAYS[way]}, ${region}`, bounds);
    const begun_at_ms = Date.now();
    const ticking = setInterval(() => this.#tick(turn, way, begun_at_ms), TICK_MS);
    try {
      const sent = await ask("comparisons", { method: "POST", body: { way, region, ...bounds, ...photos } });
      if (turn === this.#turn) this.#title(`${sent.pair_id}, by ${WAYS[way]}, ${region}`);
      this.#watch(turn, sent, bounds);
    } catch (error) {
      if (turn === this.#turn) this.#refuse(error.message, begun_at_ms);
    } finally {
      clearInterval(ticking);
    }
  }

  /** Show the way of a verdict that was chosen from the feed. */
  review({ id, pair_id, region, origin }) {
    const turn = this.#begin(`${pair_id ?? id}, by ${WAYS[origin]}, ${region}`, null);
    this.#watch(turn, { id, pair_id, region, sent_at_ms: null }, null);
    find("#outcome-title").focus();
  }

  /** Make room for a pair's way; what was followed before no longer is. */
  #begin(title, bounds) {
    tell(find("#problem"), null);
    find("#outcome").hidden = false;
    find("#event").hidden = true;
    find("#times").hidden = true;
    for (const slot of this.#slots) slot.mark(false);
    this.#title(title);
    showVerdict({ ...WAITING, bounds });
    showTimeline({ chapters: [], present: null, begun_at_ms: 0, now_ms: 0 });
    this.#announce("The pair is on its way.");
    find("#outcome").scrollIntoView({ block: "nearest" });
    this.#turn += 1;
    return this.#turn;
  }

  #tick(turn, way, begun_at_ms) {
    if (turn !== this.#turn) return;
    const details = way === "api" ? "the API has it, and compares while we wait" : "both photos are on their way";
    showTimeline({ chapters: [], present: { what: "sent", details }, begun_at_ms, now_ms: Date.now() });
  }

  #refuse(message, begun_at_ms) {
    const now_ms = Date.now();
    const chapter = { at_ms: now_ms, what: "refused", details: "there is nothing to follow", tone: "fault" };
    showTimeline({ chapters: [chapter], present: null, begun_at_ms, now_ms });
    showVerdict({ tone: "fault", word: "Refused", sentence: message, isFault: true });
    this.#announce(`Refused. ${message}`);
  }

  async #watch(turn, { id, pair_id, region, sent_at_ms }, bounds) {
    const path = `comparisons/${encodeURIComponent(id)}?${new URLSearchParams({ pair: `${region}/${pair_id}` })}`;
    while (turn === this.#turn) {
      try {
        const passage = await ask(path);
        if (turn !== this.#turn) return;
        this.#show(passage, sent_at_ms, bounds);
        if (passage.is_settled) {
          this.onSettled();
          return;
        }
      } catch (error) {
        this.#tellHealth(error);
      }
      await new Promise((resolve) => setTimeout(resolve, this.#stack.watch_interval_ms));
    }
  }

  #show(passage, sent_at_ms, bounds) {
    const sent = { at_ms: sent_at_ms, what: "sent", details: "from this page", tone: "plain" };
    const chapters = sent_at_ms ? [sent, ...passage.chapters] : passage.chapters;
    const now_ms = Date.now();
    const begun_at_ms = chapters[0]?.at_ms ?? now_ms;
    showTimeline({ chapters, present: this.#describePresent(passage), begun_at_ms, now_ms });
    if (passage.event) {
      this.#showEvent(passage.event, { isOurs: sent_at_ms !== null });
      showTimes(passage.event.data.timings_ms, chapters.at(-1).at_ms - begun_at_ms);
    } else {
      const view = passage.state === "erased" ? ERASED : WAITING;
      showVerdict({ ...view, bounds: passage.bounds ?? bounds });
    }
  }

  #showEvent(event, { isOurs }) {
    const view = viewVerdict(event.data);
    showVerdict(view);
    find("#event").hidden = false;
    find("#event-json").textContent = JSON.stringify(event, null, 2);
    if (isOurs) for (const slot of this.#slots) slot.mark(event.data.photo === slot.role);
    const score = view.score === null ? "" : `, score ${view.score} of 100`;
    this.#announce(`${view.word}${score}. ${view.sentence}`);
  }

  #describePresent({ present, region }) {
    const circuit = this.regions[region]?.circuit.state ?? "closed";
    if (!present || circuit === "closed") return present;
    return { ...present, details: `${present.details}; the circuit of ${region} is ${circuit.replaceAll("_", " ")}` };
  }

  #title(text) {
    find("#outcome-eyebrow").textContent = text;
  }

  #announce(text) {
    if (text === this.#announced) return;
    this.#announced = text;
    find("#told").textContent = text;
  }
}
