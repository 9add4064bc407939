// Small helpers: elements, times, and the two places where the page speaks.

export const $ = (id) => document.getElementById(id);

/** Make an element; texts become text nodes, never HTML. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Return seconds as m:ss.s or h:mm:ss.s. */
export function clock(seconds, digits = 1) {
  const unit = 10 ** digits;
  const rounded = Math.round(Math.max(0, seconds) * unit) / unit;
  const [hours, minutes] = [Math.floor(rounded / 3600), Math.floor(rounded / 60) % 60];
  const rest = (rounded % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

export const percent = (share) => `${Math.round(100 * share)} %`;

let silence = 0;

/** Say something that needs no answer; screen readers read it out. */
export function say(text) {
  $("status").textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => { $("status").textContent = ""; }, 6000);
}

/** Show what went wrong until something else is done; "" takes it away. */
export function complain(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

/** Do something, and show its error as a sentence. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    complain(error.message || String(error));
    return undefined;
  }
}

const SVG = "http://www.w3.org/2000/svg";

/** A square in the colour of a label; uncertain is hatched. */
export function swatch(colour, hatched = false) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 8 8");
  const square = document.createElementNS(SVG, "rect");
  square.setAttribute("width", 8);
  square.setAttribute("height", 8);
  square.setAttribute("fill", colour);
  svg.append(square);
  if (hatched) {
    const line = document.createElementNS(SVG, "path");
    line.setAttribute("d", "M0 8L8 0M0 4L4 0M4 8L8 4");
    line.setAttribute("stroke", "#fff");
    svg.append(line);
  }
  const holder = el("span", { className: "swatch" });
  holder.setAttribute("aria-hidden", "true");
  holder.append(svg);
  return holder;
}
