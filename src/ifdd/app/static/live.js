// Live: frames of the camera go to the server one at a time, and what it reads comes back.

import { $, complain, el, percent, say } from "./dom.js";
import { drawPeople } from "./player.js";
import { UNCERTAIN } from "./result.js";

const WIDTH = 640;
const SMOOTHING = 0.1;
const SAID_MS = 4000; // at most one change of an expression is read out in this time
let about = null;
let session = null;
let turn = 0; // changes with each start and stop, so that a camera that is allowed too late stays off

export function begin(theAbout) {
  about = theAbout;
  $("live-latency").textContent = `An expression is read from ${(2 * about.latency_seconds).toFixed(1)} s of video, `
    + `so results are about ${about.latency_seconds.toFixed(1)} s old, plus the time that computing takes.`;
  $("live-start").addEventListener("click", start);
  $("live-stop").addEventListener("click", () => stop("Stopped."));
}

export function leave() {
  stop("");
}

async function start() {
  complain("");
  if (!navigator.mediaDevices?.getUserMedia) {
    complain("The browser gives cameras only to pages of this computer: open the page as http://127.0.0.1.");
    return;
  }
  $("live-start").disabled = true;
  const own = ++turn;
  let camera;
  try {
    camera = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: WIDTH } }, audio: false });
  } catch (error) {
    if (own !== turn) return;
    const denied = error.name === "NotAllowedError";
    complain(denied ? "The browser was not allowed to use the camera." : "No camera was found, or another program uses it.");
    $("live-start").disabled = false;
    return;
  }
  if (own !== turn) {
    camera.getTracks().forEach((track) => track.stop());
    return;
  }
  session = new Session(camera);
  $("live-stop").disabled = false;
  $("live-state").textContent = "Loading the model …";
}

function stop(text) {
  turn += 1;
  session?.close();
  session = null;
  $("live-start").disabled = false;
  $("live-stop").disabled = true;
  $("live-state").textContent = text;
}

class Session {
  constructor(camera) {
    this.camera = camera;
    this.video = $("live-video");
    this.video.srcObject = camera;
    this.canvas = document.createElement("canvas");
    this.started = performance.now();
    this.delay = null;
    this.rate = null;
    this.said = { words: "", time: 0 };
    this.socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/live`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = (event) => this.receive(JSON.parse(event.data));
    this.socket.onclose = (event) => {
      if (session !== this) return;
      stop("");
      const reason = event.reason || "the connection ended; start 'ifdd app' again if it was stopped";
      complain(`${reason.charAt(0).toUpperCase()}${reason.slice(1)}.`);
    };
    camera.getVideoTracks()[0].onended = () => { if (session === this) stop("The camera was taken away."); };
    this.playing = this.video.play();
  }

  close() {
    this.socket.onclose = null;
    this.socket.close();
    this.camera.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
    $("live-people").replaceChildren();
    $("live-overlay").getContext("2d").clearRect(0, 0, $("live-overlay").width, $("live-overlay").height);
  }

  async receive(message) {
    if (session !== this) return;
    if (message.ready) {
      await this.playing;
      say("The camera is on.");
    }
    if (message.people) this.show(message);
    this.send();
  }

  /** Send the newest frame; the next one follows the answer, so none wait in a queue. */
  send() {
    const { videoWidth, videoHeight } = this.video;
    if (!videoWidth) { setTimeout(() => { if (session === this) this.send(); }, 50); return; }
    const scale = Math.min(1, WIDTH / Math.max(videoWidth, videoHeight));
    this.canvas.width = Math.round(videoWidth * scale);
    this.canvas.height = Math.round(videoHeight * scale);
    this.canvas.getContext("2d").drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
    const seconds = (performance.now() - this.started) / 1000;
    this.canvas.toBlob(async (blob) => {
      if (session !== this || !blob) return;
      const header = new ArrayBuffer(8);
      new DataView(header).setFloat64(0, seconds, true);
      const data = await new Blob([header, blob]).arrayBuffer();
      if (session === this && this.socket.readyState === WebSocket.OPEN) this.socket.send(data); // ended meanwhile
    }, "image/jpeg", 0.85);
  }

  show(message) {
    const now = (performance.now() - this.started) / 1000;
    const passed = now - message.seconds;
    this.delay = this.delay === null ? passed : this.delay + SMOOTHING * (passed - this.delay);
    if (this.last !== undefined) {
      const rate = 1 / Math.max(1e-3, now - this.last);
      this.rate = this.rate === null ? rate : this.rate + SMOOTHING * (rate - this.rate);
    }
    this.last = now;
    const people = message.people.filter((person) => person.id);
    drawPeople($("live-overlay"), message, message.people.map(({ id, box, newest }) => {
      const label = newest ? labelOf(newest) : "";
      return {
        id: id || "?",
        box: [box[0], box[1], box[0] + box[2], box[1] + box[3]],
        label,
        colour: label ? about.colours[label] : "#ffffff",
      };
    }));
    $("live-people").replaceChildren(...(people.length ? people.map(personPanel)
      : [el("p", { className: "faint" }, "Nobody in sight.")]));
    this.tell(people);
    this.tellDelay(now);
  }

  /** Say the expressions when they change, not at every frame. */
  tell(people) {
    const words = people.filter((person) => person.newest)
      .map((person) => `Person ${person.id}: ${labelOf(person.newest)}`).join(", ");
    if (!words || words === this.said.words || performance.now() - this.said.time < SAID_MS) return;
    this.said = { words, time: performance.now() };
    say(words);
  }

  tellDelay(now) {
    if (this.told !== undefined && now - this.told < 2) return;
    this.told = now;
    const total = this.delay + about.latency_seconds;
    const rate = this.rate === null ? "" : `; ${this.rate.toFixed(0)} frames a second`;
    $("live-state").textContent = `Delay ${total.toFixed(1)} s: ${about.latency_seconds.toFixed(1)} s of window, `
      + `${Math.round(1000 * this.delay)} ms of computing${rate}`;
  }
}

/** Return the label of a window: uncertain below the thresholds that segments have, too. */
function labelOf({ probabilities, quality }) {
  const most = Math.max(...probabilities);
  const isUncertain = most < about.minimum_probability || quality < about.minimum_quality;
  return isUncertain ? UNCERTAIN : about.classes[probabilities.indexOf(most)];
}

function personPanel({ id, newest }) {
  const bars = el("div", { className: "bars" });
  if (newest) {
    const rows = [...about.classes.map((label, index) => [label, newest.probabilities[index]]), ["quality", newest.quality]];
    for (const [label, value] of rows) {
      const meter = el("meter", { min: 0, max: 1, value });
      meter.setAttribute("aria-label", label);
      bars.append(el("span", {}, label), meter, el("span", {}, percent(value)));
    }
  }
  const words = newest ? (newest.flaw ? `quality: ${newest.flaw}` : "") : "waiting for a full window …";
  return el("div", {}, el("h3", {}, `Person ${id}${newest ? `: ${labelOf(newest)}` : ""}`), el("p", { className: "faint" }, words), bars);
}
