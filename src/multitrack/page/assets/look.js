// A run's look: eight colours that are safe for colour blindness, then the same with other dashes, then with markers.

const DASHES = ["solid", "dash", "dot", "dashdot"];
const DASH_ARRAYS = { solid: null, dash: "7 4", dot: "2 3", dashdot: "7 3 2 3" };
const MARKERS = ["circle", "square", "diamond", "cross", "triangle-up", "x"];

function look(run) {
  const i = run.look ?? 0;
  const colours = palette();
  return {
    colour: colours[i % colours.length],
    dash: DASHES[Math.floor(i / colours.length) % DASHES.length],
    marker: MARKERS[Math.floor(i / (colours.length * DASHES.length)) % MARKERS.length],
    marked: i >= colours.length * DASHES.length,
  };
}

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

let cached = null;
function palette() {
  cached ??= [0, 1, 2, 3, 4, 5, 6, 7].map((i) => style(`--run-${i}`));
  return cached;
}

/** A short sample of the run's line. */
function swatch(run) {
  if (run.look === undefined) return h("span", { class: "swatch" });
  const { colour, dash, marked } = look(run);
  return h("svg", { class: "swatch", viewBox: "0 0 22 10", width: 22, height: 10, "aria-hidden": "true" },
    h("line", { x1: 1, y1: 5, x2: 21, y2: 5, stroke: colour, "stroke-width": 2.5, "stroke-dasharray": DASH_ARRAYS[dash] }),
    marked && h("rect", { x: 8, y: 2, width: 6, height: 6, fill: colour }));
}

// Cividis: from blue to yellow, with even brightness, and safe for red-green colour blindness.
const SCALE = {
  light: ["#00224e", "#2a3f6d", "#575d6d", "#7d7c78", "#a59c74", "#c9b35b"],
  dark: ["#4f7fc4", "#7f90ad", "#9a9aa0", "#b3a986", "#d6c566", "#fee838"],
};

/** The colour of a place between 0 and 1. */
function shade(place) {
  const stops = SCALE[isDark() ? "dark" : "light"];
  const at = Math.min(Math.max(place, 0), 1) * (stops.length - 1);
  const i = Math.min(Math.floor(at), stops.length - 2);
  const mix = (k) => {
    const [a, b] = [stops[i], stops[i + 1]].map((s) => parseInt(s.slice(1 + 2 * k, 3 + 2 * k), 16));
    return Math.round(a + (b - a) * (at - i));
  };
  return `rgb(${mix(0)},${mix(1)},${mix(2)})`;
}

const darkQuery = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (state.theme ? state.theme === "dark" : darkQuery.matches);

function applyTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  cached = null;
}
