// The list of comparisons: the latest verdicts, or search results.

import { callApi } from "./api.js";
import { find, make, replaceRows, setText } from "./dom.js";
import { nameVerdict, formatCount, formatMoment } from "./labels.js";

/** The list of comparisons, and the search form. */
export class Search {
  #form = find("#search");
  #onChoose;
  #turn = 0;
  #latest = [];

  /** `onChoose` receives the chosen comparison. */
  constructor(regions, onChoose) {
    this.#onChoose = onChoose;
    const options = regions.map(({ name }) => make("option", { value: name }, name));
    this.#form.elements.region.append(...options);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.search();
    });
    for (const name of ["region", "verdict"]) {
      this.#form.elements[name].addEventListener("change", () => this.search());
    }
    this.#form.addEventListener("reset", () => setTimeout(() => this.search()));
  }

  /** Show the latest verdicts. If the form has criteria, repeat the search instead. */
  async show(latest) {
    this.#latest = latest;
    await this.#refresh();
  }

  async search() {
    setText(find("#search-problem"), null);
    try {
      await this.#refresh();
    } catch (error) {
      setText(find("#search-problem"), error.message);
    }
  }

  async #refresh() {
    const turn = ++this.#turn;
    const criteria = this.#read();
    if (!criteria.size) {
      this.#draw(this.#latest.map((row) => ({ ...row, at_ms: row.ended_at_ms })), "No verdicts yet.");
      setText(find("#search-count"), null);
      return;
    }
    const { rows, has_more, is_cut } = await callApi(`comparisons?${criteria}`);
    // Another search may have started meanwhile.
    if (turn !== this.#turn) return;
    this.#draw(rows, "Nothing found.");
    const more = has_more || is_cut ? " There may be more. Narrow the search, or use facematch find --all." : "";
    setText(find("#search-count"), `${formatCount(rows.length, "result")}.${more}`);
  }

  #read() {
    const entries = [...new FormData(this.#form)].map(([name, value]) => [name, value.trim()]);
    return new URLSearchParams(entries.filter(([, value]) => value));
  }

  #draw(rows, emptyText) {
    replaceRows(find("#results"), rows, (row) => drawRow(row, this.#onChoose));
    setText(find("#results-none"), rows.length ? null : emptyText);
  }
}

function drawRow(row, onChoose) {
  const { label, tone } = nameVerdict(row.verdict);
  const parts = [
    make("span", { class: `chip ${tone}` }, label),
    make("span", { class: "figure" }, row.score === null ? "" : String(row.score)),
    make("span", { class: "subject" }, row.pair_id ?? row.id),
    make("span", { class: "hint" }, describeRow(row)),
    make("time", { datetime: new Date(row.at_ms).toISOString() }, formatMoment(row.at_ms)),
  ];
  // An incomplete pair has no comparison.
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
  // Only the latest verdicts have `published_at_ms`.
  return [region, way, reason, published_at_ms === null ? "to be published" : null].filter(Boolean).join(" · ");
}
