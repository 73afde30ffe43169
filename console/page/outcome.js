// The outcome of a pair: its timeline, verdict and event.

import { callApi } from "./api.js";
import { find, setText } from "./dom.js";
import { showVerdict, viewVerdict } from "./gauge.js";
import { showTimeline, showTimes } from "./timeline.js";

const WAYS = { bucket: "the bucket", api: "the API", async: "the API, asynchronously", upload: "the bucket" };
const WAITING = { tone: "plain", label: "In progress", sentence: "No verdict yet." };
const ERASED = { tone: "plain", label: "Erased", sentence: "Photos, pair id, score and verdict are deleted." };
const ABSENT = { tone: "plain", label: "Not found", sentence: "The ledger has no comparison with this id, or not yet." };
const TICK_MS = 100;

export class Outcome {
  /** Called when a verdict is published. */
  onSettled = () => {};
  #stack;
  #panels;
  #showHealth;
  #turn = 0;
  #announced = "";
  /** Refreshes the shown comparison, if it is settled. */
  #refreshSettled = null;

  constructor(stack, panels, showHealth) {
    this.#stack = stack;
    this.#panels = panels;
    this.#showHealth = showHealth;
  }

  /** Send a pair, and follow it until its verdict is published. Returns when it is accepted or refused. */
  async send({ way, region, bounds, photos }) {
    const turn = this.#begin(`By ${WAYS[way]}, ${region}`, bounds);
    const started_at_ms = Date.now();
    const timer = setInterval(() => this.#tick(turn, way, started_at_ms), TICK_MS);
    try {
      const sent = await callApi("comparisons", { method: "POST", body: { way, region, ...bounds, ...photos } });
      if (turn === this.#turn) {
        this.#title(`${sent.pair_id}, by ${WAYS[way]}, ${region}`);
        visit(sent.id);
      }
      this.#watch(turn, sent, bounds);
    } catch (error) {
      if (turn === this.#turn) this.#refuse(error.message, started_at_ms);
    } finally {
      clearInterval(timer);
    }
  }

  /** Show a comparison from the list. */
  show({ id }) {
    visit(id);
    this.open(id);
  }

  /** Show the comparison in the page's address. */
  open(id) {
    const turn = this.#begin(id, null);
    this.#watch(turn, { id, pair_id: null, region: null, sent_at_ms: null }, null);
  }

  /** Show no comparison. */
  close() {
    this.#turn += 1;
    this.#refreshSettled = null;
    find("#outcome").hidden = true;
    for (const panel of this.#panels) panel.markRejected(false);
  }

  /** Refresh the shown comparison: a settled one may have been erased. */
  async refresh() {
    await this.#refreshSettled?.();
  }

  /** Start to show another pair. */
  #begin(title, bounds) {
    setText(find("#problem"), null);
    find("#outcome").hidden = false;
    find("#event").hidden = true;
    find("#times").hidden = true;
    for (const panel of this.#panels) {
      panel.markRejected(false);
      panel.showFace(null);
    }
    this.#title(title);
    showVerdict({ ...WAITING, bounds });
    showTimeline({ entries: [], present: null, started_at_ms: 0, now_ms: 0 });
    this.#announce("The pair is in progress.");
    find("#outcome").scrollIntoView({ block: "nearest" });
    find("#outcome-title").focus();
    this.#refreshSettled = null;
    this.#turn += 1;
    return this.#turn;
  }

  #tick(turn, way, started_at_ms) {
    if (turn !== this.#turn) return;
    const details = way === "api" ? "the page waits for the API" : "the photos are being uploaded";
    showTimeline({ entries: [], present: { what: "sent", details }, started_at_ms, now_ms: Date.now() });
  }

  #refuse(message, started_at_ms) {
    const now_ms = Date.now();
    const entry = { at_ms: now_ms, what: "refused", details: "no comparison was made", tone: "fault" };
    showTimeline({ entries: [entry], present: null, started_at_ms, now_ms });
    showVerdict({ tone: "fault", label: "Refused", sentence: message, isError: true });
    this.#announce(`Refused. ${message}`);
  }

  async #watch(turn, { id, pair_id, region, sent_at_ms }, bounds) {
    const pair = region === null ? "" : `?${new URLSearchParams({ pair: `${region}/${pair_id}` })}`;
    const refresh = async () => {
      const progress = await callApi(`comparisons/${encodeURIComponent(id)}${pair}`);
      if (turn === this.#turn) this.#showProgress(progress, sent_at_ms, bounds);
      return progress;
    };
    let interval_ms = this.#stack.poll_interval_ms;
    while (turn === this.#turn) {
      try {
        const progress = await refresh();
        // The comparison may not exist.
        if (progress.state === "absent" && sent_at_ms === null) interval_ms = this.#stack.refresh_interval_ms;
        if (progress.is_settled) {
          if (turn === this.#turn) this.#refreshSettled = refresh;
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

  #showProgress(progress, sent_at_ms, bounds) {
    const sent = { at_ms: sent_at_ms, what: "sent", details: "from this page", tone: "plain" };
    const entries = sent_at_ms ? [sent, ...progress.entries] : progress.entries;
    const now_ms = Date.now();
    const started_at_ms = entries[0]?.at_ms ?? now_ms;
    showTimeline({ entries, present: progress.present, started_at_ms, now_ms });
    this.#name(progress, sent_at_ms);
    if (progress.event) {
      this.#showEvent(progress.event, { isFromThisPage: sent_at_ms !== null });
      showTimes(progress.event.data.timings_ms, entries.at(-1).at_ms - started_at_ms);
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

  #showEvent(event, { isFromThisPage }) {
    const view = viewVerdict(event.data);
    showVerdict(view);
    find("#event").hidden = false;
    find("#event-json").textContent = JSON.stringify(event, null, 2);
    if (isFromThisPage) for (const panel of this.#panels) panel.markRejected(event.data.photo === panel.role);
    const score = view.score === null ? "" : `, score ${view.score} of 100`;
    this.#announce(`${view.label}${score}. ${view.sentence}`);
  }

  async #showFaces(turn, event) {
    const merchant_biz_id = event.data.provider.merchant_biz_ids.at(-1);
    if (!merchant_biz_id) return;
    const pictures = await callApi(`emulator/pictures?${new URLSearchParams({ merchant_biz_id })}`);
    if (turn === this.#turn) for (const panel of this.#panels) panel.showFace(pictures[panel.role]);
  }

  #title(text) {
    find("#outcome-eyebrow").textContent = text;
  }

  #announce(text) {
    if (text === this.#announced) return;
    this.#announced = text;
    find("#announcement").textContent = text;
  }
}

/** Set the page's address to that of a comparison, so that a reload shows it again. */
function visit(id) {
  const path = `/comparisons/${encodeURIComponent(id)}`;
  if (location.pathname !== path) history.pushState(null, "", path);
}

function chooseView({ state }, sent_at_ms) {
  if (state === "erased") return ERASED;
  return state === "absent" && sent_at_ms === null ? ABSENT : WAITING;
}
