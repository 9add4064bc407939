// Viewer: the video, its timeline, its segments, corrections and downloads of one result.

import { download, get } from "./api.js";
import { CorrectionForm } from "./correction.js";
import { $, attempt, clock, complain, el, percent, say } from "./dom.js";
import { Player } from "./player.js";
import { Result } from "./result.js";
import { Filters, SegmentList } from "./segments.js";
import { Timeline } from "./timeline.js";

let about = null;
let result = null;
let chosen = null;
let entered = 0; // counts, so that a late answer does not replace what was chosen after it
let player, timeline, list, filters, form;

export function begin(theAbout) {
  about = theAbout;
  timeline = new Timeline((seconds) => player.seek(seconds));
  player = new Player(showTime, (text) => notice(text));
  list = new SegmentList((segment) => choose(segment));
  filters = new Filters(refresh);
  form = new CorrectionForm(() => refresh());
  player.showsPerson = (id) => filters.person === null || filters.person === id;
  $("results").addEventListener("change", (event) => { location.hash = `viewer/${event.target.value}`; });
  document.addEventListener("keydown", onKey);
}

export async function enter(id) {
  const turn = ++entered;
  await attempt(async () => {
    const results = await get("/api/results");
    if (turn !== entered) return;
    $("results").replaceChildren(...results.map((each) => el("option", { value: each.id }, each.name)));
    $("viewer-empty").hidden = results.length > 0;
    $("results").parentElement.hidden = !results.length;
    const wanted = id ?? result?.view.id ?? results[0]?.id;
    if (!wanted) { $("viewing").hidden = true; return; }
    $("results").value = wanted;
    await open(wanted, turn);
  });
}

export function leave() {
  if (player.isPlaying) player.toggle();
}

async function open(id, turn) {
  $("viewing").hidden = true;
  player.stop();
  result = null;
  const [view, document_] = await Promise.all([get(`/api/results/${id}/view`), get(`/api/results/${id}`)]);
  if (turn !== entered) return;
  result = new Result(document_, view);
  chosen = null;
  $("viewer-title").textContent = view.name;
  $("viewing").hidden = false;
  showNotices();
  filters.load(result);
  form.load(result);
  showDownloads();
  player.load(result);
  await refresh();
  say(`${view.name}: ${result.tracks.length === 1 ? "1 person" : `${result.tracks.length} people`}, `
    + `${result.segments.length} segments.`);
}

function showNotices() {
  $("viewer-notices").replaceChildren();
  const { view, video } = result;
  if (!view.has_video) {
    notice(`The video ${view.video_name} is not in the folders that 'ifdd app' was given, so its picture is not shown.`);
  }
  video.notices.forEach(notice);
  if (video.damaged) notice(`${video.damaged} packets, frames or images were damaged.`);
  if (view.corrections_trouble) notice(view.corrections_trouble);
  if (!result.tracks.length) notice("No face was found in this video.");
  const model = result.document.model;
  if (model.notice && model.notice !== about.notice) notice(model.notice);
}

function notice(text) {
  $("viewer-notices").append(el("li", {}, text));
}

/** Draw everything again that filters and corrections change. */
async function refresh() {
  list.draw(result, filters);
  list.choose(chosen);
  list.play(player.seconds);
  player.draw();
  const person = filters.person ?? chosen?.track ?? result.tracks[0]?.id ?? null;
  await attempt(() => timeline.draw(result, filters.people(result), filters.labels, person));
}

function choose(segment) {
  if (!segment) return;
  const before = chosen;
  chosen = segment;
  list.choose(segment);
  form.choose(segment);
  player.seek(segment.start_seconds);
  if (before?.track !== segment.track && filters.person === null) refresh();
}

let shownNow = "";

function showTime(seconds) {
  if (!result) return;
  timeline.show(seconds);
  const people = result.peopleAt(seconds).filter((person) => player.showsPerson(person.id));
  const words = people.map(({ id, segment }) => (segment
    ? `Person ${id}: ${Result.label(segment)}, ${percent(segment.probability)}, quality ${percent(segment.quality)}`
      + (segment.flaw ? ` (${segment.flaw})` : "")
    : `Person ${id}`)).join("; ");
  $("now").textContent = `${clock(seconds)}  ${words || "nobody in sight"}`;
  if (words !== shownNow) list.play(seconds);
  shownNow = words;
}

function showDownloads() {
  const { id, has_video: hasVideo } = result.view;
  const entries = about.forms.map(({ form: kind, name, missing }) => {
    const why = missing || (kind === "mp4" && !hasVideo ? "needs the video" : "");
    return el("li", {}, el("button", {
      type: "button",
      className: "quiet",
      disabled: Boolean(why),
      title: why,
      "data-form": kind,
      onclick: (event) => fetchFile(event.target, `/api/results/${id}/files/${kind}`, name),
    }, name), why ? el("span", { className: "faint" }, ` ${why}`) : null);
  });
  entries.push(el("li", {}, el("button", {
    type: "button",
    className: "quiet",
    onclick: (event) => fetchFile(event.target, `/api/results/${id}/corrections`, "corrections"),
  }, "corrections, JSON")));
  $("downloads").replaceChildren(...entries);
}

async function fetchFile(button, path, name) {
  button.disabled = true;
  say(`Making the file: ${name}.`);
  complain("");
  await attempt(async () => { await download(path); say(`Downloaded: ${name}.`); });
  button.disabled = false;
}

function onKey(event) {
  if ($("viewer").hidden || !result || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, select, textarea, video, summary")) return;
  if (event.key === " " && event.target.closest("button, a")) return;
  const step = event.shiftKey ? 1 / (result.video.fps || 25) : 1;
  const actions = {
    " ": () => player.toggle(),
    ArrowLeft: () => player.seek(player.seconds - step),
    ArrowRight: () => player.seek(player.seconds + step),
    j: () => choose(list.step(chosen, 1)),
    k: () => choose(list.step(chosen, -1)),
    c: () => { if (chosen) $("corrected").focus(); },
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}
