// The comparisons: the latest verdicts, or what a search finds.

import { ask } from "./api.js";
import { find, make, replaceRows, tell } from "./dom.js";
import { nameVerdict, formatCount, formatMoment } from "./labels.js";

/** The list of comparisons, and the form that narrows it. */
export class Search {
  #form = find("#search");
  #onChoose;
  #turn = 0;
  #latest = [];

  /** `onChoose` hears which comparison was chosen. */
  constructor(regions, onChoose) {
    this.#onChoose = onChoose;
    const options = regions.map(({ name }) => make("option", { value: name }, name));
    this.#form.elements.region.append(...options);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.look();
    });
    for (const name of ["region", "verdict"]) {
      this.#form.elements[name].addEventListener("change", () => this.look());
    }
    this.#form.addEventListener("reset", () => setTimeout(() => this.look()));
  }

  /** Show the latest verdicts, unless something is searched for: then search again. */
  async show(latest) {
    this.#latest = latest;
    await this.#look();
  }

  async look() {
    tell(find("#search-problem"), null);
    try {
      await this.#look();
    } catch (error) {
      tell(find("#search-problem"), error.message);
    }
  }

  async #look() {
    const turn = ++this.#turn;
    const wanted = this.#read();
    if (!wanted.size) {
      this.#draw(this.#latest.map((one) => ({ ...one, at_ms: one.ended_at_ms })), "No verdict yet.");
      tell(find("#search-count"), null);
      return;
    }
    const { rows, has_more, is_cut } = await ask(`comparisons?${wanted}`);
    // Another search may have begun meanwhile.
    if (turn !== this.#turn) return;
    this.#draw(rows, "Nothing found.");
    const more = has_more || is_cut ? " There may be more: narrow the search, or use facematch find --all." : "";
    tell(find("#search-count"), `${formatCount(rows.length, "result")}.${more}`);
  }

  #read() {
    const entries = [...new FormData(this.#form)].map(([name, value]) => [name, value.trim()]);
    return new URLSearchParams(entries.filter(([, value]) => value));
  }

  #draw(rows, nothing) {
    replaceRows(find("#results"), rows, (row) => drawRow(row, this.#onChoose));
    tell(find("#results-none"), rows.length ? null : nothing);
  }
}

function drawRow(row, onChoose) {
  const { word, tone } = nameVerdict(row.verdict);
  const parts = [
    make("span", { class: `chip ${tone}` }, word),
    make("span", { class: "figure" }, row.score === null ? "" : String(row.score)),
    make("span", { class: "subject" }, row.pair_id ?? row.id),
    make("span", { class: "hint" }, describeRow(row)),
    make("time", { datetime: new Date(row.at_ms).toISOString() }, formatMoment(row.at_ms)),
  ];
  // A pair that waits for a photo is no comparison yet.
  if (!row.id) return make("li", {}, make("span", { class: "row" }, ...parts));
  const link = make("a", { class: "row", href: `/comparisons/${row.id}`, "data-key": row.id }, ...parts);
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    onChoose(row);
  });
  return make("li", {}, link);
}

function describeRow({ region, origin, reason, published_at_ms }) {
  const way = origin === "api" ? "API" : "bucket";
  // Only the latest verdicts say whether they are published.
  return [region, way, reason, published_at_ms === null ? "to be published" : null].filter(Boolean).join(" · ");
}
