// Create elements and format values. All recorded text enters the page through `h`, as text; nothing here accepts
// HTML.

const SVG = new Set(["svg", "g", "path", "line", "rect", "circle", "text", "title"]);

// Characters that move or hide text: shown as escapes, as in the terminal's listings.
const ACTIVE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

function visible(text) {
  return String(text).replace(ACTIVE, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
}

/** Create an element with attributes, `on…` listeners, `data-…` and children; a child that is no node becomes text. */
function h(tag, attributes = {}, ...children) {
  const svg = SVG.has(tag) && !(tag === "title" && attributes.html);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") element[name] = value;
    else if (name.startsWith("data-")) element.setAttribute(name, value); // used to find elements: not escaped
    else element.setAttribute(name, value === true ? "" : visible(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : visible(child));
  }
  return element;
}

/**
 * Replace the children of `parent`. A child that is already there is not removed, so that typing in it continues;
 * otherwise the focus moves to the new element with the same data-key.
 */
function fill(parent, ...children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  const wanted = children.flat(Infinity).filter(Boolean), kept = new Set(wanted);
  for (const child of [...parent.childNodes]) if (!kept.has(child)) child.remove();
  let next = parent.firstChild;
  for (const child of wanted) {
    if (child === next) next = next.nextSibling;
    else parent.insertBefore(child, next);
  }
  if (focused === undefined || parent.contains(document.activeElement)) return;
  const again = [...parent.querySelectorAll("[data-key]")].find((element) => element.dataset.key === focused);
  if (again) again.focus({ preventScroll: true });
}

/** Update a drop-down with options [value, text]; an open one stays open while its options are the same. */
function offer(select, options, chosen) {
  const offered = JSON.stringify(options);
  if (select.offered !== offered) fill(select, options.map(([value, text]) => h("option", { value }, text)));
  select.offered = offered;
  if (select.value === chosen) return;
  select.value = chosen;
  if (select.selectedIndex < 0) select.selectedIndex = 0; // an address may ask for anything
}

/** A link for an http(s) URI; other URIs are text. */
function reference(uri) {
  let protocol = "";
  try {
    protocol = new URL(uri).protocol;
  } catch { /* no URI: text */ }
  if (protocol !== "http:" && protocol !== "https:") return h("span", { class: "uri" }, uri);
  return h("a", { class: "uri", href: uri, rel: "noopener noreferrer", target: "_blank" }, uri);
}

const SPECIAL = { NaN: NaN, Infinity: Infinity, "-Infinity": -Infinity };

/** The exact value of a recorded number; NaN, infinities and integers that doubles would round are recorded as text. */
function exactly(value) {
  if (typeof value !== "string") return value;
  return Object.hasOwn(SPECIAL, value) ? SPECIAL[value] : BigInt(value);
}

/** A recorded number as a double, for drawing; null becomes NaN, which `Number` would make 0. */
const number = (value) => (value === null ? NaN : Number(exactly(value)));

const isNumber = (value) => typeof value === "number" || typeof value === "bigint";
const isFiniteNumber = (value) => isNumber(value) && Number.isFinite(Number(value)); // false for an integer beyond the doubles

/** A text that is equal for equal values only: 1, "1" and true differ. */
const identity = (value) => (isNumber(value) ? String(value) : JSON.stringify(value));

// Digits of numbers: six, or more if numbers would look the same, as in the terminal's tables; 17 digits are exact.
const STEPS = [6, 9, 12, 15, 17], DIGITS = STEPS[0], ALL_DIGITS = STEPS.at(-1);

/** The smallest of these numbers of digits with which different numbers look different. */
function digitsFor(values, steps = STEPS) {
  const numbers = [...new Set(values.filter((value) => typeof value === "number"))];
  return steps.find((digits) => new Set(numbers.map((value) => numberText(value, digits))).size === numbers.length) ?? ALL_DIGITS;
}

/** A number with so many digits; its integer part is always complete: no 1e+5 for 99999.5. */
function numberText(value, digits = DIGITS) {
  if (typeof value !== "number") return String(value ?? "");
  if (Number.isInteger(value) && Math.abs(value) <= 2 ** 53) return String(value);
  if (digits >= ALL_DIGITS) return String(value);
  const size = Math.abs(value);
  const text = size >= 1e5 && size < 1e15 ? value.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size)))) : value.toPrecision(digits);
  return text.includes(".") ? text.replace(/\.?0+(?=e|$)/, "") : text;
}

/** A param or other value of any kind. */
function valueText(value, digits = DIGITS) {
  if (isNumber(value)) return numberText(value, digits);
  if (value === null) return "None";
  if (value === true || value === false) return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map((item) => JSON.stringify(item)).join(", ")}]`;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A name on one line, with its line ends and tabs escaped as in the terminal's listings. */
const oneLine = (text) => String(text).replace(/[\n\r\t]/g, (c) => ({ "\n": "\\n", "\r": "\\r", "\t": "\\t" })[c]);

function short(text, most = 48) {
  const all = [...oneLine(text)]; // whole characters, not surrogate halves
  return all.length > most ? all.slice(0, most - 1).join("") + "…" : all.join("");
}

/** Cut in the middle, since names often differ at the end. */
function inner(text, most = 48) {
  const all = [...oneLine(text)], end = Math.floor(most / 2);
  return all.length > most ? `${all.slice(0, most - 1 - end).join("")}…${all.slice(-end).join("")}` : all.join("");
}

const ruler = document.createElement("canvas").getContext("2d");

/** The width of a text in pixels. */
function widthOf(text, font) {
  ruler.font = font;
  return ruler.measureText(text).width;
}

/** Cut in the middle, to a width in pixels. */
function cutTo(text, width, font) {
  let most = Math.min([...text].length, 400), shown = inner(text, most);
  while (most > 3 && widthOf(shown, font) > width) shown = inner(text, (most = Math.min(most - 1, Math.floor(most * 0.9))));
  return shown;
}

const KEPT = 14; // characters at the end of a name that are always shown

/** Cut in the middle to the available width (page.css). */
function fitted(text) {
  const all = [...inner(text, 200)];
  return [h("span", { class: "start" }, all.slice(0, -KEPT).join("")), h("span", { class: "rest" }, all.slice(-KEPT).join(""))];
}

const two = (n) => String(n).padStart(2, "0");

function momentText(milliseconds, fraction = false) {
  const d = new Date(milliseconds);
  if (isNaN(d)) return "?";
  const day = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  const time = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return `${day} ${time}${fraction ? "." + String(d.getMilliseconds()).padStart(3, "0") : ""}`;
}

function tookText(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${two(whole % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
}

function sizeText(bytes) {
  if (bytes === null || bytes === undefined) return "";
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0;
  while (bytes >= 999.5 && i < units.length - 1) { bytes /= 1000; i += 1; }
  return `${i ? bytes.toPrecision(3) : bytes} ${units[i]}`;
}

const plural = (count, one, many = one + "s") => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
