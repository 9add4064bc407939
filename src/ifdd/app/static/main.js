// The three places, the notice, and what is in the address.

import * as analyze from "./analyze.js";
import { get } from "./api.js";
import { $, complain, say } from "./dom.js";
import * as live from "./live.js";
import * as viewer from "./viewer.js";

const PLACES = { analyze, viewer, live };
const PURPOSE = "Expressions are not feelings: results describe faces, not what people feel.";
let current = "";

function show() {
  const [name, argument] = location.hash.slice(1).split("/");
  const place = name in PLACES ? name : "analyze";
  complain("");
  if (current && current !== place) {
    say("");
    PLACES[current].leave?.();
  }
  for (const each of Object.keys(PLACES)) {
    $(each).hidden = each !== place;
    const link = document.querySelector(`nav [data-place=${each}]`);
    if (each === place) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${place.charAt(0).toUpperCase()}${place.slice(1)} – ifdd`;
  current = place;
  PLACES[place].enter?.(argument);
}

async function start() {
  if (location.search) history.replaceState(null, "", `/${location.hash}`); // takes the token out of the address
  try {
    const about = await get("/api/about");
    $("notice").textContent = `${about.notice ? `${about.notice} ` : ""}${PURPOSE}`;
    for (const place of Object.values(PLACES)) place.begin(about);
  } catch (error) {
    $("notice").textContent = error.message;
    return;
  }
  window.addEventListener("hashchange", show);
  show();
}

start();
