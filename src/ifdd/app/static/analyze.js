// Analyze: files that are dropped or chosen, and the queue.

import { get, send, upload } from "./api.js";
import { $, attempt, clock, complain, el, percent, say } from "./dom.js";

const WORKING_MS = 700;
const RESTING_MS = 3000;
const rows = new Map(); // id of a task -> its row
const uploads = new Map(); // upload -> its row
let timer = 0;
let here = false;
let states = new Map();

export function begin(about) {
  $("keeping").textContent = about.results
    ? `Results are kept in ${about.results}; dropped videos are deleted when the program ends.`
    : "Videos and results are deleted when the program ends; download what you need, or start it with --results FOLDER.";
  $("files").addEventListener("change", (event) => take(event.target));
  $("tree").addEventListener("change", (event) => take(event.target, true));
  const drop = $("drop");
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    await sendAll(await filesOf(event.dataTransfer));
  });
  window.addEventListener("dragover", (event) => event.preventDefault());
  window.addEventListener("drop", (event) => event.preventDefault()); // a missed drop must not leave the page
  window.addEventListener("beforeunload", (event) => { if (uploads.size) event.preventDefault(); });
  beginFolder(about);
}

export function enter() {
  here = true;
  follow();
}

export function leave() {
  here = false;
  clearTimeout(timer);
}

/** Send the files of an input; of a folder, only its videos. */
async function take(input, videosOnly = false) {
  const files = [...input.files].filter((file) => !videosOnly || isVideo(file));
  if (videosOnly && !files.length) complain("This folder holds no videos.");
  input.value = "";
  await sendAll(files);
}

const isVideo = (file) => file.type.startsWith("video/") || /\.(mkv|avi|mts|m2ts|ts|flv|wmv|mxf|gif)$/i.test(file.name);

/** Return dropped files, and the videos in dropped folders. */
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const found = [];
  for (const entry of entries) await collect(entry, found, true);
  return found;
}

async function collect(entry, found, isNamed) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    if (isNamed || isVideo(file)) found.push(file);
    return;
  }
  const reader = entry.createReader();
  for (;;) { // a reader gives at most 100 entries at once
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const each of some) await collect(each, found, false);
  }
}

async function sendAll(files) {
  complain("");
  for (const file of files) await attempt(() => sendOne(file));
  follow();
}

async function sendOne(file) {
  const row = taskRow(file.name);
  row.bar.value = 0;
  $("queue").append(row.item);
  uploads.set(file, row);
  $("queue-empty").hidden = true;
  try {
    const taken = await upload(file, (share) => {
      row.bar.value = share;
      row.words.textContent = `copying, ${percent(share)}`;
    });
    if (taken.kind === "result") location.hash = `viewer/${taken.id}`;
    else say(`${file.name} is in the queue.`);
  } finally {
    uploads.delete(file);
    row.item.remove();
  }
}

/** Ask for the queue, now and again: often while something runs. */
async function follow() {
  clearTimeout(timer);
  let pause = RESTING_MS;
  try {
    const tasks = await get("/api/queue");
    show(tasks);
    if (tasks.some((task) => ["running", "waiting"].includes(task.state))) pause = WORKING_MS;
    if ($("problem").dataset.from === "queue") complain("");
    $("problem").dataset.from = "";
  } catch (error) {
    complain(error.message);
    $("problem").dataset.from = "queue";
  }
  if (here) timer = setTimeout(follow, pause);
}

function show(tasks) {
  const ids = new Set(tasks.map((task) => task.id));
  for (const [id, row] of rows) if (!ids.has(id)) { row.item.remove(); rows.delete(id); }
  for (const task of tasks) {
    const row = rows.get(task.id) ?? taskRow(task.name);
    rows.set(task.id, row);
    update(row, task);
  }
  const order = [...tasks.map((task) => rows.get(task.id).item), ...[...uploads.values()].map((row) => row.item)];
  order.forEach((item, index) => {
    if ($("queue").children[index] !== item) $("queue").insertBefore(item, $("queue").children[index] ?? null);
  });
  $("queue-empty").hidden = order.length > 0;
  announce(tasks);
}

/** Say what has ended since the last look. */
function announce(tasks) {
  for (const task of tasks) {
    const before = states.get(task.id);
    if (before && before !== task.state && ["done", "failed"].includes(task.state)) say(`${task.name}: ${task.state}.`);
  }
  states = new Map(tasks.map((task) => [task.id, task.state]));
}

function taskRow(name) {
  const bar = el("progress", { max: 1 });
  bar.setAttribute("aria-label", `Progress of ${name}`);
  const words = el("div", { className: "words" });
  const actions = el("div", { className: "actions" });
  const item = el("li", { className: "task" }, el("div", { className: "name" }, name), el("div", {}, bar, words), actions);
  return { item, bar, words, actions, name, state: "" };
}

function update(row, task) {
  row.item.className = `task ${task.state}`;
  row.bar.hidden = task.state !== "running";
  if (task.state === "running" && task.expected_seconds) row.bar.value = Math.min(1, task.seconds / task.expected_seconds);
  else row.bar.removeAttribute("value");
  row.words.textContent = describe(task);
  const key = `${task.state} ${task.result}`;
  if (row.state === key) return; // its buttons stay, with the focus
  row.state = key;
  const hadFocus = row.actions.contains(document.activeElement);
  row.actions.replaceChildren(...actionsOf(task));
  if (hadFocus) row.actions.querySelector("button, a")?.focus();
}

function describe(task) {
  if (task.state === "waiting") return "waiting";
  if (task.state === "cancelled") return "cancelled";
  if (task.state === "failed") return task.error;
  const speed = task.speed ? `${task.speed.toFixed(1)} × real time` : "";
  if (task.state === "done") return task.seconds ? `done, ${clock(task.seconds, 0)}, ${speed}` : "done before";
  const total = task.expected_seconds ? ` of ${clock(task.expected_seconds, 0)}` : "";
  const faces = `${task.faces} ${task.faces === 1 ? "face" : "faces"}`;
  const left = task.left_seconds === null ? "" : `${clock(task.left_seconds, 0)} left`;
  return [`${clock(task.seconds, 0)}${total}`, speed, faces, left].filter(Boolean).join(", ");
}

function actionsOf(task) {
  const act = (word, what, quiet = true) => el("button", {
    type: "button",
    className: quiet ? "quiet" : "",
    "aria-label": `${word} ${task.name}`,
    onclick: () => attempt(async () => { await send(`/api/queue/${task.id}/${what}`); await follow(); }),
  }, word);
  if (task.state === "waiting" || task.state === "running") return [act("Cancel", "cancel")];
  if (task.state === "done") {
    const open = el("button", {
      type: "button",
      "aria-label": `Open ${task.name}`,
      onclick: () => { location.hash = `viewer/${task.result}`; },
    }, "Open");
    return [open, act("Remove", "remove")];
  }
  return [act("Try again", "retry", false), act("Remove", "remove")];
}

function beginFolder(about) {
  if (!about.folder) return;
  $("folder").hidden = false;
  $("folder-title").textContent = about.folder;
  $("folder-reload").addEventListener("click", searchFolder);
  $("folder-all").addEventListener("click", () => boxes().forEach((box) => { box.checked = true; }));
  $("folder-add").addEventListener("click", () => attempt(async () => {
    const ids = boxes().filter((box) => box.checked).map((box) => box.value);
    if (!ids.length) { complain("Choose videos of the list first."); return; }
    complain("");
    await send("/api/queue", ids);
    boxes().forEach((box) => { box.checked = false; });
    say(ids.length === 1 ? "1 video is in the queue." : `${ids.length} videos are in the queue.`);
    await follow();
  }));
  searchFolder();
}

const boxes = () => [...$("folder-list").querySelectorAll("input")];

const searchFolder = () => attempt(async () => {
  const videos = await get("/api/folder");
  $("folder-list").replaceChildren(...videos.map((video) => el("li", {}, el("label", {},
    el("input", { type: "checkbox", value: video.id }), ` ${video.name}`))));
  $("folder-add").disabled = $("folder-all").disabled = !videos.length;
  if (!videos.length) $("folder-list").append(el("li", { className: "faint" }, "This folder holds no videos."));
});
