// What comes of a pair: its way, its verdict, its event.

import { ask } from "./api.js";
import { find, tell } from "./dom.js";
import { showVerdict, viewVerdict } from "./gauge.js";
import { showTimeline, showTimes } from "./timeline.js";

const WAYS = { bucket: "the bucket", api: "the API", async: "the API, asynchronously", upload: "the bucket" };
const WAITING = { tone: "plain", word: "On its way", sentence: "No verdict yet." };
const ERASED = { tone: "plain", word: "Erased", sentence: "Photos, pair id, score and verdict are gone." };
const ABSENT = { tone: "plain", word: "Not found", sentence: "The ledger has no comparison of this id, or not yet." };
const TICK_MS = 100;

export class Outcome {
  /** Hears of it when a verdict is published. */
  onSettled = () => {};
  #stack;
  #slots;
  #showHealth;
  #turn = 0;
  #announced = "";
  /** Looks once at what is shown, if it is settled. */
  #review = null;

  constructor(stack, slots, showHealth) {
    this.#stack = stack;
    this.#slots = slots;
    this.#showHealth = showHealth;
  }

  /** Send a pair, and follow it until its verdict is published. Returns once it is accepted or refused. */
  async send({ way, region, bounds, photos }) {
    const turn = this.#begin(`By ${WAYS[way]}, ${region}`, bounds);
    const begun_at_ms = Date.now();
    const ticking = setInterval(() => this.#tick(turn, way, begun_at_ms), TICK_MS);
    try {
      const sent = await ask("comparisons", { method: "POST", body: { way, region, ...bounds, ...photos } });
      if (turn === this.#turn) {
        this.#title(`${sent.pair_id}, by ${WAYS[way]}, ${region}`);
        visit(sent.id);
      }
      this.#watch(turn, sent, bounds);
    } catch (error) {
      if (turn === this.#turn) this.#refuse(error.message, begun_at_ms);
    } finally {
      clearInterval(ticking);
    }
  }

  /** Show a comparison that was chosen from the list. */
  review({ id }) {
    visit(id);
    this.open(id);
  }

  /** Show the comparison that the page's address names. */
  open(id) {
    const turn = this.#begin(id, null);
    this.#watch(turn, { id, pair_id: null, region: null, sent_at_ms: null }, null);
  }

  /** Show no comparison. */
  close() {
    this.#turn += 1;
    this.#review = null;
    find("#outcome").hidden = true;
    for (const slot of this.#slots) slot.mark(false);
  }

  /** Look once more at what is shown: a settled comparison may be erased. */
  async lookAgain() {
    await this.#review?.();
  }

  /** Make room for a pair's way; what was followed before no longer is. */
  #begin(title, bounds) {
    tell(find("#problem"), null);
    find("#outcome").hidden = false;
    find("#event").hidden = true;
    find("#times").hidden = true;
    for (const slot of this.#slots) {
      slot.mark(false);
      slot.showFace(null);
    }
    this.#title(title);
    showVerdict({ ...WAITING, bounds });
    showTimeline({ entries: [], present: null, begun_at_ms: 0, now_ms: 0 });
    this.#announce("The pair is on its way.");
    find("#outcome").scrollIntoView({ block: "nearest" });
    find("#outcome-title").focus();
    this.#review = null;
    this.#turn += 1;
    return this.#turn;
  }

  #tick(turn, way, begun_at_ms) {
    if (turn !== this.#turn) return;
    const details = way === "api" ? "the API compares it while the page waits" : "the photos are being uploaded";
    showTimeline({ entries: [], present: { what: "sent", details }, begun_at_ms, now_ms: Date.now() });
  }

  #refuse(message, begun_at_ms) {
    const now_ms = Date.now();
    const entry = { at_ms: now_ms, what: "refused", details: "no comparison was made", tone: "fault" };
    showTimeline({ entries: [entry], present: null, begun_at_ms, now_ms });
    showVerdict({ tone: "fault", word: "Refused", sentence: message, isFault: true });
    this.#announce(`Refused. ${message}`);
  }

  async #watch(turn, { id, pair_id, region, sent_at_ms }, bounds) {
    const pair = region === null ? "" : `?${new URLSearchParams({ pair: `${region}/${pair_id}` })}`;
    const look = async () => {
      const progress = await ask(`comparisons/${encodeURIComponent(id)}${pair}`);
      if (turn === this.#turn) this.#show(progress, sent_at_ms, bounds);
      return progress;
    };
    let interval_ms = this.#stack.poll_interval_ms;
    while (turn === this.#turn) {
      try {
        const progress = await look();
        // Perhaps there never was one.
        if (progress.state === "absent" && sent_at_ms === null) interval_ms = this.#stack.refresh_interval_ms;
        if (progress.is_settled) {
          if (turn === this.#turn) this.#review = look;
          if (progress.event && sent_at_ms && this.#stack.has_emulator) await this.#showFaces(turn, progress.event);
          this.onSettled();
          return;
        }
      } catch (error) {
        this.#showHealth(error);
      }
      await new Promise((resolve) => setTimeout(resolve, interval_ms));
    }
  }

  #show(progress, sent_at_ms, bounds) {
    const sent = { at_ms: sent_at_ms, what: "sent", details: "from this page", tone: "plain" };
    const entries = sent_at_ms ? [sent, ...progress.entries] : progress.entries;
    const now_ms = Date.now();
    const begun_at_ms = entries[0]?.at_ms ?? now_ms;
    showTimeline({ entries, present: progress.present, begun_at_ms, now_ms });
    this.#name(progress, sent_at_ms);
    if (progress.event) {
      this.#showEvent(progress.event, { isOurs: sent_at_ms !== null });
      showTimes(progress.event.data.timings_ms, entries.at(-1).at_ms - begun_at_ms);
    } else {
      this.#hideEvent();
      showVerdict({ ...chooseView(progress, sent_at_ms), bounds: progress.bounds ?? bounds });
    }
  }

  #name({ id, state, pair_id, region, origin }, sent_at_ms) {
    if (state === "erased") this.#title(`${id}, erased`);
    else if (origin && sent_at_ms === null) this.#title(`${pair_id ?? id}, by ${WAYS[origin]}, ${region}`);
  }

  #hideEvent() {
    find("#event").hidden = true;
    find("#event-json").textContent = "";
    find("#times").hidden = true;
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

  async #showFaces(turn, event) {
    const merchant_biz_id = event.data.provider.merchant_biz_ids.at(-1);
    if (!merchant_biz_id) return;
    const pictures = await ask(`emulator/pictures?${new URLSearchParams({ merchant_biz_id })}`);
    if (turn === this.#turn) for (const slot of this.#slots) slot.showFace(pictures[slot.role]);
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

/** Give the page the address of a comparison, so that it outlasts a reload. */
function visit(id) {
  const path = `/comparisons/${encodeURIComponent(id)}`;
  if (location.pathname !== path) history.pushState(null, "", path);
}

function chooseView({ state }, sent_at_ms) {
  if (state === "erased") return ERASED;
  return state === "absent" && sent_at_ms === null ? ABSENT : WAITING;
}
