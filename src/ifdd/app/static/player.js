// The video, or single frames of it where the browser cannot play it, with the boxes of faces over it.
// Times are those of results: seconds from the first frame that was read.

import { $, clock } from "./dom.js";
import { Result } from "./result.js";

const video = () => $("video");

export class Player {
  constructor(onTime, onTrouble) {
    this.onTime = onTime;
    this.onTrouble = onTrouble;
    this.result = null;
    this.showsPerson = () => true;
    this.url = "";
    this.clock = null; // of single frames: { seconds, playing }
    video().addEventListener("error", () => { if (this.result && video().getAttribute("src")) this.useFrames(true); });
    for (const event of ["timeupdate", "seeked", "loadeddata", "pause"]) video().addEventListener(event, () => this.draw());
    video().addEventListener("play", () => this.follow());
    video().addEventListener("loadedmetadata", () => { if (!video().videoWidth) this.useFrames(true); }); // sound only
    $("still-play").addEventListener("click", () => this.toggle());
    $("still-time").addEventListener("input", (event) => this.seek(Number(event.target.value)));
    $("local-video").addEventListener("change", (event) => this.openLocal(event.target.files[0]));
    new ResizeObserver(() => this.draw()).observe($("stage"));
  }

  load(result) {
    this.stop();
    this.result = result;
    const { width, height } = result.video;
    $("stage").style.aspectRatio = width && height ? `${width} / ${height}` : "16 / 9";
    $("video-missing").hidden = result.view.has_video;
    if (result.view.has_video && !result.view.is_folder) this.useVideo(`/api/results/${result.view.id}/video`);
    else this.useFrames(false);
  }

  stop() {
    if (this.clock) this.clock.playing = false;
    this.result = null;
    video().removeAttribute("src");
    video().load();
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = "";
  }

  useVideo(source) {
    this.clock = null;
    video().hidden = false;
    $("still").hidden = $("still-controls").hidden = true;
    video().src = source;
  }

  useFrames(isRefused) {
    video().removeAttribute("src");
    this.clock = { seconds: 0, playing: false };
    this.hasFrames = this.result.view.has_video;
    video().hidden = true;
    $("still").hidden = !this.hasFrames;
    $("still-controls").hidden = false;
    $("still-time").max = this.result.duration;
    if (isRefused && this.hasFrames) this.onTrouble("The browser cannot play this video; single frames are shown instead.");
    this.seek(0);
  }

  openLocal(file) {
    if (!file || !this.result) return;
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = URL.createObjectURL(file);
    this.useVideo(this.url);
  }

  get shift() {
    return this.result ? this.result.video.start_seconds : 0;
  }

  get seconds() {
    return this.clock ? this.clock.seconds : Math.max(0, video().currentTime - this.shift);
  }

  /** The last time at which there is still a frame. */
  get lastSecond() {
    return Math.max(0, this.result.duration - 0.02);
  }

  get isPlaying() {
    return this.clock ? this.clock.playing : !video().paused;
  }

  seek(seconds) {
    if (!this.result) return;
    const within = Math.min(Math.max(0, seconds), this.lastSecond);
    if (this.clock) {
      this.clock.seconds = within;
      this.showFrame();
      this.draw();
    } else {
      video().currentTime = within + this.shift;
    }
    this.onTime(within);
  }

  toggle() {
    if (!this.result) return;
    if (!this.clock) {
      if (video().paused) video().play().catch(() => {});
      else video().pause();
      return;
    }
    this.clock.playing = !this.clock.playing;
    $("still-play").textContent = this.clock.playing ? "Pause" : "Play";
    if (!this.clock.playing) return;
    if (this.clock.seconds >= this.lastSecond) this.clock.seconds = 0;
    this.runClock(performance.now());
  }

  /** Let the time of single frames pass. */
  runClock(before) {
    requestAnimationFrame((now) => {
      const clockOf = this.clock;
      if (!clockOf?.playing || !this.result) return;
      const next = clockOf.seconds + (now - before) / 1000;
      if (next >= this.lastSecond) this.toggle();
      this.seek(next);
      this.runClock(now);
    });
  }

  /** Ask for the frame of the current time, one at a time. */
  showFrame() {
    $("still-time").value = this.clock.seconds;
    $("still-clock").textContent = clock(this.clock.seconds);
    if (!this.hasFrames || this.asked) return;
    const seconds = this.clock.seconds;
    this.asked = true;
    const still = $("still");
    const settle = () => {
      this.asked = false;
      if (this.clock && Math.abs(this.clock.seconds - seconds) > 0.02) this.showFrame();
    };
    still.onload = settle;
    still.onerror = () => { this.asked = false; };
    still.src = `/api/results/${this.result.view.id}/frame?seconds=${(seconds + this.shift).toFixed(3)}`;
  }

  /** Draw at every frame while the video plays. */
  follow() {
    if (!this.result || this.clock || video().paused || video().ended) return;
    this.draw();
    requestAnimationFrame(() => this.follow());
  }

  draw() {
    if (!this.result) return;
    const people = this.result.peopleAt(this.seconds).filter((person) => this.showsPerson(person.id));
    drawPeople($("overlay"), this.result.video, people.map((person) => ({
      id: person.id,
      box: person.box,
      faint: !person.detected,
      label: person.segment ? Result.label(person.segment) : "",
      colour: person.segment ? this.result.colour(Result.label(person.segment)) : "#ffffff",
    })));
    if (!this.clock) this.onTime(this.seconds);
  }
}

/** Draw boxes (left, top, right, bottom in pixels of the picture) over a picture that is fitted into the canvas. */
export function drawPeople(canvas, size, people) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  if (!size.width || !size.height) return;
  const scale = Math.min(width / size.width, height / size.height);
  const [left, top] = [(width - size.width * scale) / 2, (height - size.height * scale) / 2];
  context.font = "600 13px system-ui, sans-serif";
  for (const { id, box, faint, label, colour } of people) {
    const [x, y] = [left + box[0] * scale, top + box[1] * scale];
    const [w, h] = [(box[2] - box[0]) * scale, (box[3] - box[1]) * scale];
    context.setLineDash(faint ? [5, 4] : []);
    context.lineWidth = 4;
    context.strokeStyle = "#000000";
    context.strokeRect(x, y, w, h);
    context.lineWidth = 2;
    context.strokeStyle = colour;
    context.strokeRect(x, y, w, h);
    const text = label ? `${id} ${label}` : `${id}`;
    const wide = context.measureText(text).width + 10;
    const at = y > 20 ? y - 20 : y;
    context.fillStyle = "rgba(0, 0, 0, 0.78)";
    context.fillRect(x - 1, at, wide, 19);
    context.fillStyle = "#ffffff";
    context.fillText(text, x + 4, at + 14);
  }
}
