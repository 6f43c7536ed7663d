// Two axes and some lines, drawn as SVG. Values are numbers of ours; texts are set as text.

const SVG = "http://www.w3.org/2000/svg";
const GAP = 15; // px between two labels at the right

export function draw(svg, { series, lines = [], marks = [], over = null, x, yMax, log = false, alt }) {
  const width = svg.clientWidth, height = svg.clientHeight;
  if (!width) return;
  const small = width < 600;
  const box = { left: 44, right: small ? 104 : 122, top: 14, bottom: 34 };
  const squash = log ? (v) => Math.log10(1 + Math.max(0, v)) : (v) => v;
  const px = (at) => box.left + ((at - x[0]) / (x[1] - x[0])) * (width - box.left - box.right);
  const py = (v) => height - box.bottom - (squash(v) / squash(yMax)) * (height - box.top - box.bottom);
  const parts = [];
  const add = (name, attributes, text) => parts.push(element(name, attributes, text));
  const path = (points) => points.map(([at, v], n) => `${n ? "L" : "M"}${px(at).toFixed(1)},${py(v).toFixed(1)}`).join("");

  for (const tick of log ? decades(yMax) : ticks(0, yMax, 4)) {
    add("line", { class: "axis", x1: box.left, x2: width - box.right, y1: py(tick), y2: py(tick) });
    add("text", { x: box.left - 8, y: py(tick) + 4, "text-anchor": "end" }, tick.toLocaleString("en"));
  }
  const seconds = ticks(x[0], x[1], small ? 5 : 9);
  for (const tick of seconds) {
    add("text", { x: px(tick), y: height - box.bottom + 18, "text-anchor": "middle" }, tick === seconds.at(-1) ? `${tick} s` : `${tick}`);
  }
  for (const { at, text } of marks) {
    if (at < x[0] || at > x[1]) continue;
    add("line", { class: "mark", x1: px(at), x2: px(at), y1: box.top, y2: height - box.bottom });
    add("text", { x: px(at) + 5, y: box.top + 6 }, text);
  }
  if (over) {
    const above = over.points.map(([at, v]) => [at, Math.max(v, over.line)]);
    if (above.length > 1) {
      add("path", { class: "over", d: `${path(above)}L${px(above.at(-1)[0])},${py(over.line)}L${px(above[0][0])},${py(over.line)}Z` });
    }
  }
  const labels = [];
  for (const { points, colour, label, area } of series) {
    if (!points.length) continue;
    if (area) add("path", { class: "area-ghost", d: `${path(points)}L${px(points.at(-1)[0])},${py(0)}L${px(points[0][0])},${py(0)}Z` });
    add("path", { class: `line s-${colour}`, d: path(points) });
    labels.push({ y: py(points.at(-1)[1]), colour, label });
  }
  for (const { points, colour, label } of lines) {
    if (!points.length) continue;
    add("path", { class: `line dashed s-${colour}`, d: path(points) });
    labels.push({ y: py(points.at(-1)[1]), colour, label });
  }
  for (const { y, colour, label } of spread(labels, box.top, height - box.bottom)) {
    add("text", { class: `t-${colour}`, x: width - box.right + 6, y: y + 4 }, label);
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("aria-label", alt);
  svg.replaceChildren(...parts);
}

// Moves labels apart, from the top down and then, where they fell out, from the bottom up.
function spread(labels, top, bottom) {
  labels.sort((a, b) => a.y - b.y);
  labels.forEach((each, n) => { each.y = Math.max(each.y, n ? labels[n - 1].y + GAP : top); });
  for (let n = labels.length - 1; n >= 0; n -= 1) {
    labels[n].y = Math.min(labels[n].y, n < labels.length - 1 ? labels[n + 1].y - GAP : bottom);
  }
  return labels;
}

function ticks(from, to, about) {
  const rough = (to - from) / about || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].find((each) => each * power >= rough) * power, 1);
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
  return found;
}

function decades(to) {
  const found = [0];
  for (let tick = 10; tick <= to; tick *= 10) found.push(tick);
  return found;
}

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
