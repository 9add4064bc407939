// The list of segments, and the filters of people and expressions.

import { $, clock, el, percent, swatch } from "./dom.js";
import { Result, UNCERTAIN } from "./result.js";

const MOST_ROWS = 2000;

export class Filters {
  constructor(onChange) {
    this.onChange = onChange;
    this.person = null;
    this.labels = new Set();
  }

  load(result) {
    this.person = null;
    this.labels = new Set(result.labels);
    const person = el("select", {
      id: "person",
      onchange: (event) => {
        this.person = event.target.value ? Number(event.target.value) : null;
        this.onChange();
      },
    }, el("option", { value: "" }, "Everybody"));
    person.append(...result.tracks.map((track) => el("option", { value: track.id }, `Person ${track.id}`)));
    const counts = new Map();
    for (const segment of result.segments) counts.set(segment.label, (counts.get(segment.label) ?? 0) + 1);
    const chips = result.labels.map((label) => el("label", { className: "chip" },
      el("input", {
        type: "checkbox",
        checked: true,
        onchange: (event) => {
          if (event.target.checked) this.labels.add(label);
          else this.labels.delete(label);
          this.onChange();
        },
      }),
      swatch(result.colour(label), label === UNCERTAIN), `${label} (${counts.get(label) ?? 0})`));
    $("filters").replaceChildren(el("div", { className: "field" }, el("label", { htmlFor: person.id }, "Person"), person), ...chips);
  }

  /** Return the ids of the people who are shown. */
  people(result) {
    return new Set(result.tracks.map((track) => track.id).filter((id) => this.person === null || id === this.person));
  }

  shows(segment) {
    return (this.person === null || segment.track === this.person) && this.labels.has(Result.label(segment));
  }
}

export class SegmentList {
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.rows = new Map();
    this.shown = [];
  }

  /** Fill the table with the segments that the filters show. */
  draw(result, filters) {
    this.shown = result.segments.filter((segment) => filters.shows(segment));
    this.rows = new Map(this.shown.slice(0, MOST_ROWS).map((segment) => [segment, this.row(result, segment)]));
    $("segments").replaceChildren(...this.rows.values());
    const more = this.shown.length - this.rows.size;
    $("segments-count").textContent = this.shown.length === 1 ? "1 segment"
      : `${this.shown.length} segments${more > 0 ? `, the first ${MOST_ROWS} in the list` : ""}`;
  }

  row(result, segment) {
    const start = el("button", { type: "button", onclick: (event) => { event.stopPropagation(); this.onChoose(segment); } },
      clock(segment.start_seconds));
    const flaw = segment.flaw ? ` (${segment.flaw})` : "";
    const label = Result.label(segment);
    const words = segment.correction?.corrected ? `${segment.label} → ${label}` : `${label}${flaw}`;
    const mark = segment.correction?.comment ? " ✎" : "";
    const expression = el("td", { className: segment.correction ? "wrap corrected" : "wrap" },
      swatch(result.colour(label), label === UNCERTAIN), ` ${words}${mark}`);
    if (segment.correction?.comment) expression.title = segment.correction.comment;
    expression.firstChild.style.display = "inline-block";
    return el("tr", { onclick: () => this.onChoose(segment) },
      el("td", {}, start),
      el("td", {}, `${(segment.end_seconds - segment.start_seconds).toFixed(1)} s`),
      el("td", {}, `${segment.track}`), expression,
      el("td", {}, percent(segment.probability)), el("td", {}, percent(segment.quality)));
  }

  /** Mark the chosen segment and show its row. */
  choose(segment) {
    for (const [each, row] of this.rows) {
      row.classList.toggle("chosen", each === segment);
      if (each === segment) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
    this.rows.get(segment)?.scrollIntoView({ block: "nearest" });
  }

  /** Mark the segments at a time. */
  play(seconds) {
    for (const [segment, row] of this.rows) {
      row.classList.toggle("playing", segment.start_seconds <= seconds && seconds < segment.end_seconds);
    }
  }

  /** Return the segment a number of rows away; without a chosen one, the first. */
  step(chosen, by) {
    const at = this.shown.indexOf(chosen);
    return this.shown[at < 0 ? 0 : Math.min(Math.max(0, at + by), this.shown.length - 1)];
  }
}
