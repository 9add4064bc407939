// The timeline: a bar of segments for each person, and the probabilities of one, drawn by Plotly.

import { $, clock } from "./dom.js";
import { Result, UNCERTAIN } from "./result.js";

const ROW = 24;
const CURVES = 170;
const MARGIN = { l: 78, r: 14, t: 8, b: 34 };
const NARROW = 640;
let loading = null;

/** Load Plotly when it is first needed. */
function plotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "/static/plotly.min.js";
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error("The timeline could not be loaded; reload the page."));
    document.head.append(script);
  });
  return loading;
}

export class Timeline {
  constructor(onSeek) {
    this.plot = $("plot");
    this.cursor = $("cursor");
    this.seconds = 0;
    this.result = null;
    let from = null;
    this.plot.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY]; });
    window.addEventListener("pointerup", (event) => { // a click anywhere in the plot seeks; a drag zooms
      const start = from;
      from = null;
      if (!start || !this.result || Math.hypot(event.clientX - start[0], event.clientY - start[1]) > 4) return;
      const seconds = this.secondsAt(event.clientX);
      if (seconds !== null) onSeek(seconds);
    });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    new ResizeObserver(() => this.moveCursor()).observe(this.plot);
  }

  /** Draw people and labels that the filters show; the curves are those of one person. */
  async draw(result, people, labels, person) {
    const library = await plotly();
    const isNew = this.result !== result;
    this.drawn = [result, people, labels, person];
    this.result = result;
    const tracks = result.tracks.filter((track) => people.has(track.id));
    const layout = layoutOf(result, tracks, person, this.plot.clientWidth);
    if (!isNew && this.plot.layout?.xaxis) layout.xaxis.range = this.plot.layout.xaxis.range;
    const traces = [...bars(result, tracks, labels), ...curves(result, labels, person)];
    await library.react(this.plot, traces, layout, {
      responsive: true,
      displaylogo: false,
      modeBarButtons: [["zoomIn2d", "zoomOut2d", "resetScale2d"]],
    });
    if (!this.listens) this.plot.on("plotly_relayout", () => this.moveCursor());
    this.listens = true;
    this.moveCursor();
  }

  redraw() {
    if (this.drawn) this.draw(...this.drawn);
  }

  show(seconds) {
    this.seconds = seconds;
    this.moveCursor();
  }

  axis() {
    return this.plot._fullLayout?.xaxis ?? null;
  }

  secondsAt(clientX) {
    const axis = this.axis();
    const place = clientX - this.plot.getBoundingClientRect().left - (axis?._offset ?? 0);
    if (!axis || place < 0 || place > axis._length) return null;
    return axis.p2d(place);
  }

  moveCursor() {
    const axis = this.axis();
    const place = axis ? axis.d2p(this.seconds) : -1;
    const isInside = axis !== null && place >= 0 && place <= axis._length;
    this.cursor.style.display = isInside ? "block" : "none";
    if (!isInside) return;
    this.cursor.style.left = `${axis._offset + place}px`;
    this.cursor.style.height = `${this.plot._fullLayout.height - MARGIN.b}px`;
  }
}

const name = (id) => `Person ${id}`;

/** Take away what Plotly would read as markup or as a template: labels come from files. */
const plain = (text) => text.replace(/[<>&%{}]/g, " ");

function bars(result, tracks, labels) {
  const shown = new Set(tracks.map((track) => track.id));
  return result.labels.map((label) => {
    const segments = result.segments.filter((each) =>
      shown.has(each.track) && labels.has(label) && Result.label(each) === label);
    return {
      type: "bar",
      orientation: "h",
      name: plain(label),
      y: segments.map((each) => name(each.track)),
      x: segments.map((each) => each.end_seconds - each.start_seconds),
      base: segments.map((each) => each.start_seconds),
      hovertext: segments.map((each) => `${name(each.track)}: ${plain(Result.label(each))}, `
        + `${clock(each.start_seconds)} to ${clock(each.end_seconds)}, ${Math.round(100 * each.probability)} %`),
      hoverinfo: "text",
      width: 0.72,
      marker: {
        color: result.colour(label),
        line: { width: 1, color: css("--ink") },
        opacity: 1,
        pattern: {
          shape: label === UNCERTAIN ? "/" : "", fillmode: "replace", bgcolor: result.colour(label), fgcolor: "#ffffff", size: 7,
        },
      },
    };
  });
}

function curves(result, labels, person) {
  const track = result.tracks.find((each) => each.id === person);
  if (!track) return [];
  const times = track.windows.map((each) => (each.start_seconds + each.end_seconds) / 2);
  const line = (label, values, style) => ({
    type: "scatter",
    mode: times.length > 1 ? "lines" : "markers",
    name: plain(label),
    x: times,
    y: values,
    yaxis: "y2",
    line: style,
    hovertemplate: `${plain(label)} %{y:.0%} at %{x:.1f} s<extra></extra>`,
  });
  const probabilities = result.classes
    .map((label, index) => [label, track.windows.map((each) => each.probabilities[index])])
    .filter(([label]) => labels.has(label))
    .map(([label, values]) => line(label, values, { color: result.colour(label), width: 2.5 }));
  return [...probabilities,
    line("quality", track.windows.map((each) => each.quality), { color: css("--faint"), width: 1.5, dash: "dot" })];
}

function layoutOf(result, tracks, person, width) {
  const top = Math.max(1, tracks.length) * ROW;
  const height = MARGIN.t + top + 26 + CURVES + MARGIN.b;
  const inner = height - MARGIN.t - MARGIN.b;
  const line = { gridcolor: css("--line"), linecolor: css("--line"), zeroline: false, fixedrange: true };
  const isNarrow = width < NARROW;
  return {
    height,
    margin: { ...MARGIN, l: isNarrow ? 66 : MARGIN.l },
    barmode: "overlay",
    showlegend: false,
    dragmode: isNarrow ? false : "zoom",
    paper_bgcolor: css("--ground"),
    plot_bgcolor: css("--ground"),
    font: { color: css("--ink"), size: isNarrow ? 10 : 12 },
    hoverlabel: { bgcolor: css("--panel"), font: { color: css("--ink") } },
    xaxis: {
      ...line, fixedrange: false, range: [0, Math.max(result.duration, 0.1)], anchor: "y2",
      title: { text: "seconds" }, nticks: isNarrow ? 6 : 12,
    },
    yaxis: {
      ...line, domain: [1 - top / inner, 1], type: "category", autorange: "reversed",
      categoryorder: "array", categoryarray: tracks.map((track) => name(track.id)),
    },
    yaxis2: {
      ...line, domain: [0, CURVES / inner], range: [0, 1.02], tickformat: ".0%", nticks: 5,
      title: { text: person === null || isNarrow ? "" : name(person) },
    },
  };
}

const css = (variable) => getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
