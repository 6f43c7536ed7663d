// Fills the page: asks twice a second what is new, and draws it. Whatever comes from outside is set as text, never as HTML.

import { draw } from "./chart.js";

const BASE = document.body.dataset.base;
const PHASES = ["preparing", "gathering", "herd", "draining", "reading", "judging"];
const BIN_S = 0.5;
const $ = (id) => document.getElementById(id);
const number = (value) => (value === undefined || value === null ? "–" : Math.round(value).toLocaleString("en"));
const plural = (count, one, many) => `${number(count)} ${count === 1 ? one : many}`;

let sale = "", next = 0, series = {}, newest = null, shownNumber = -1;

async function look() {
  let wait = 1000;
  try {
    const answer = await fetch(`${BASE}/data?sale=${encodeURIComponent(sale)}&since=${next}`, { headers: { Accept: "application/json" } });
    if (answer.redirected || !answer.ok) throw new Error(answer.redirected ? "your login has ended; load this page anew" : `HTTP ${answer.status}`);
    newest = take(await answer.json());
    show(newest);
    if (newest.state ? !newest.idle : newest.locust !== "ready" && newest.locust !== "stopped") wait = 500;
  } catch (error) {
    banner("wrong", "No answer", "", `Locust does not tell what is going on (${error.message}). Does it still run?`);
  }
  setTimeout(look, wait);
}

function take(data) {
  if (data.sale !== sale) {
    sale = data.sale;
    series = {};
  }
  for (const [metric, at, value] of data.points) (series[metric] ??= []).push([at, value]);
  next = data.next;
  return data;
}

function show(data) {
  if (data.state) {
    showState(data, data.state);
    showForms(data, data.state);
    showPast(data.state.held);
  } else {
    const told = data.outcomes, all = Object.values(told).reduce((sum, count) => sum + count, 0);
    banner("", "Flash sale", `Locust is ${data.locust}`, all
      ? `${plural(all, "request", "requests")} to buy: ${number(told.won ?? 0)} won, ${number(told.sold_out ?? 0)} sold out. Not judged.`
      : "Nobody has asked for a unit yet. Start a test on Locust's page; it is drawn here.");
  }
  numbers(data.state ? saleNumbers(data) : toldNumbers(data));
  charts(data);
}

function showState(data, state) {
  const last = state.held.at(-1), mine = last && last.number === state.number ? last : null;
  const t = data.t0_ms && data.now_ms > data.t0_ms ? ` · ${((data.now_ms - data.t0_ms) / 1000).toFixed(0)} s since T0` : "";
  const which = `sale ${state.number}`;
  if (state.phase === "idle") {
    banner("", "No sale yet", "", "Choose below what is sold and how, and press “Hold the sale”. The shop is prepared, the buyers gather, and when everything has drained there is a verdict.");
  } else if (state.phase === "judged" && mine) {
    banner(mine.verdict, mine.verdict, which, mine.sentence, { text: "Open the report", href: report(mine) });
  } else if (state.phase === "refused") {
    banner("wrong", "Refused", which, state.error);
  } else if (state.phase === "failed") {
    banner("wrong", "Failed", which, state.error);
  } else {
    const oversold = (data.latest["truth.rows"] ?? 0) > state.stock;
    banner(oversold ? "wrong" : "live", state.phase[0].toUpperCase() + state.phase.slice(1), which + t, soFar(data, state));
  }
  const phases = $("phases");
  phases.hidden = !PHASES.includes(state.phase);
  phases.replaceChildren(...PHASES.map((name) => {
    const item = make("li", name);
    if (name === state.phase) item.setAttribute("aria-current", "step");
    return item;
  }));
}

// What can be said before anything is judged. Lost orders cannot: until the queue is empty, a late one looks the same.
function soFar(data, state) {
  if (!data.t0_ms) {
    return state.phase === "gathering"
      ? `${number(data.latest["generator.waiting"] ?? 0)} of ${number(state.buyers)} buyers stand at the gate.`
      : "Seeding the stock and starting the shop.";
  }
  const rows = data.latest["truth.rows"] ?? 0, won = data.outcomes.won ?? 0, coming = Math.max(0, won - rows);
  const sold = rows > state.stock ? `${number(rows - state.stock)} oversold` : "nothing oversold";
  const queued = (data.latest["broker.ready"] ?? 0) + (data.latest["broker.unacked"] ?? 0);
  const where = coming ? `, ${number(coming)} ${queued || state.phase === "herd" ? "on their way" : "promised, without a row yet"}` : "";
  return `So far: ${sold}; ${number(rows)} of ${number(state.stock)} units stored${where}. Not judged yet.`;
}

function banner(kind, word, phase, sentence, link) {
  const key = JSON.stringify([kind, word, phase, sentence, link]);
  if (banner.key === key) return;
  banner.key = key;
  $("banner").className = `banner ${kind}`;
  $("word").textContent = word;
  $("phase").textContent = phase;
  $("sentence").replaceChildren(sentence ?? "");
  if (link) {
    const anchor = make("a", link.text);
    anchor.href = link.href;
    $("sentence").append(" ", anchor);
  }
}

function saleNumbers({ latest, drawn }) {
  const rows = latest["truth.rows"], unacked = latest["broker.unacked"], sent = latest["generator.sent"];
  const queued = latest["broker.ready"] === undefined ? undefined : latest["broker.ready"] + (unacked ?? 0);
  const oversold = rows === undefined || !drawn ? undefined : Math.max(0, rows - drawn.stock);
  return [
    ["requests answered", latest["generator.answered"], sent === undefined ? "" : `of ${number(sent)} sent`],
    ["tokens left", latest["redis.tokens"], drawn ? `of ${number(drawn.stock)}` : ""],
    ["queued", queued, unacked ? `${number(unacked)} of them with a worker` : ""],
    ["stored", rows, drawn ? `of ${number(drawn.stock)} units` : ""],
    ["oversold", oversold, "", oversold > 0],
  ];
}

function toldNumbers({ outcomes, latest }) {
  const none = Object.keys(outcomes).length ? 0 : undefined;
  const { won = none, sold_out: soldOut = none, unknown = none, ...others } = outcomes;
  const rest = Object.values(others).reduce((sum, count) => sum + count, 0);
  return [
    ["requests", latest["generator.sent"], "of every kind"],
    ["told: won", won, "not looked up in the database"],
    ["told: sold out", soldOut, ""],
    ["told otherwise", rest || none, Object.keys(others).join(", ").replaceAll("_", " ")],
    ["unknown", unknown, "no answer, or an error"],
  ];
}

function numbers(rows) {
  $("numbers").replaceChildren(...rows.map(([name, value, more, bad]) => {
    const group = make("div"), term = make("dt", name), said = make("dd", number(value));
    if (more) said.append(make("span", more));
    if (bad) group.className = "bad";
    group.append(term, said);
    return group;
  }));
}

function charts(data) {
  const t0 = data.t0_ms, empty = $("empty");
  const drawn = Boolean(t0 && data.now_ms > t0 && (series["generator.sent"]?.length ?? 0) > 1);
  $("rates").hidden = !drawn;
  $("units").hidden = !drawn || !data.drawn;
  empty.hidden = drawn;
  if (!drawn) {
    empty.textContent = data.state && !data.idle
      ? "The charts begin at T0, when every buyer stands at the gate."
      : `No sale has been drawn yet. While one is held, ${data.state ? "requests and commits a second, tokens, queue and rows" : "requests a second"} are drawn here.`;
    return;
  }
  const seconds = (metric) => (series[metric] ?? []).map(([at, v]) => [(at - t0) / 1000, v]);
  const end = Math.max(5, ...Object.values(series).map((points) => (points.at(-1)[0] - t0) / 1000));
  const x = [-0.5, end];
  const marks = data.phases.draining ? [{ at: (data.phases.draining - t0) / 1000, text: "drain" }] : [];
  rates(data, x, seconds, marks);
  if (data.drawn) units(data.drawn, x, seconds, marks);
}

function rates(data, x, seconds, marks) {
  const written = ["postgres.write_xids", "mysql.write_xids"].map(seconds).find((points) => points.length) ?? [];
  const requests = perSecond(seconds("generator.sent"), x), commits = perSecond(written, x);
  const limit = data.drawn ? limits(data, x) : [];
  const lines = limit.length ? [{ points: limit, colour: "orange", label: `limit ${number(limit.at(-1)[1])}/s` }] : [];
  const most = (steps) => Math.max(0, ...steps.filter(([at]) => at >= 0).map(([, v]) => v));
  const peak = most(requests), busiest = most(commits), dashed = data.asked.length && !data.changes.length ? "what was asked of the limiter" : "what the limiter allows";
  const said = data.state
    ? `Requests a second, at most ${number(peak)}, against commits a second, at most ${number(busiest)}${limit.length ? `; dashed, ${dashed}` : ""}.`
    : `Requests a second, at most ${number(peak)}.`;
  $("rates").querySelector("figcaption b").textContent = data.state ? "The peak, and what is left of it." : "The peak.";
  $("rates").querySelector("figcaption span").textContent = `${said} Bins of half a second; the axis is logarithmic.`;
  draw($("rates").querySelector("svg"), {
    x, marks, lines, log: true, yMax: Math.max(100, ...requests.map(([, v]) => v), busiest, ...limit.map(([, v]) => v)) * 1.3, alt: said,
    series: [
      { points: requests, colour: "ghost", label: "requests/s", area: true },
      { points: commits, colour: "blue", label: `${number(commits.at(-1)?.[1] ?? 0)} commits/s` },
    ],
  });
}

function units({ stock }, x, seconds, marks) {
  const clip = (points) => points.filter(([at]) => at >= x[0]);
  const rows = clip(seconds("truth.rows")), tokens = clip(seconds("redis.tokens")), queue = clip(queued(seconds));
  const most = Math.max(stock, ...[...rows, ...tokens, ...queue].map(([, v]) => v));
  const now = (points) => number(points.at(-1)?.[1] ?? 0), over = (rows.at(-1)?.[1] ?? 0) - stock;
  const said = `${now(rows)} rows of ${number(stock)} units, ${now(tokens)} tokens left, ${now(queue)} orders queued${over > 0 ? `; ${number(over)} rows more than there are units, in red` : ""}.`;
  $("units").querySelector("figcaption span").textContent = said;
  draw($("units").querySelector("svg"), {
    x, marks, yMax: most * 1.12, alt: said, over: { points: rows, line: stock },
    lines: [{ points: [[x[0], stock], [x[1], stock]], colour: "ink", label: `stock ${number(stock)}` }],
    series: [
      { points: tokens, colour: "sky", label: `${now(tokens)} tokens` },
      { points: queue, colour: "orange", label: `${now(queue)} queued` },
      { points: rows, colour: over > 0 ? "red" : "green", label: `${now(rows)} rows` },
    ],
  });
}

// Ready and with a worker, together; the two are read at the same moment.
function queued(seconds) {
  const unacked = new Map(seconds("broker.unacked"));
  return seconds("broker.ready").map(([at, v]) => [at, v + (unacked.get(at) ?? 0)]);
}

// A counter's growth per second, as steps over bins that begin at T0. What a sample tells counts when it was taken.
function perSecond(points, [from]) {
  const found = [];
  if (points.length < 2) return found;
  const value = held(points), last = points.at(-1)[0];
  for (let at = Math.floor(Math.max(from, points[0][0]) / BIN_S) * BIN_S; at + BIN_S <= last; at += BIN_S) {
    const rate = (value(at + BIN_S) - value(at)) / BIN_S;
    found.push([at, rate], [at + BIN_S, rate]);
  }
  return found;
}

// The newest value at each of some moments, which must be asked for in order.
function held(points) {
  let n = 0;
  return (at) => {
    while (n && points[n][0] > at) n -= 1;
    while (n + 1 < points.length && points[n + 1][0] <= at) n += 1;
    return points[n][1];
  };
}

// What all workers together may place: as the harness changed it, or, until it has told, as it was asked for here.
function limits({ drawn, asked, changes, t0_ms: t0 }, [from, to]) {
  if (drawn.limit_per_s === null) return [];
  const steps = changes.length
    ? changes.map((each) => [each.time_ns / 1e6, each.together_per_s])
    : asked.map(([at, rate]) => [at, (drawn.limit_per_s * rate) / drawn.rate_per_s]);
  const found = [[from, drawn.limit_per_s]];
  for (const [at, perSecond] of steps) {
    const second = Math.max(from, (at - t0) / 1000);
    found.push([second, found.at(-1)[1]], [second, perSecond]);
  }
  return [...found, [to, found.at(-1)[1]]];
}

function showForms(data, state) {
  $("form").classList.toggle("busy", !data.idle);
  for (const control of $("form").elements) control.disabled = !data.idle;
  if (data.idle) offer();
  const underWay = !data.idle && PHASES.indexOf(state.phase) < PHASES.indexOf("reading");
  $("control").hidden = !underWay;
  $("rate-label").hidden = $("change").hidden = state.limit_per_s === null;
  const untaken = data.changes.at(-1)?.answered === 0;
  if (untaken) say(`No worker took the rate of ${data.changes.at(-1).rate_per_s}/s.`);
  if (shownNumber !== state.number) {
    shownNumber = state.number;
    if (state.rate_per_s) $("control").elements.rate.value = state.rate_per_s;
    say("");
  }
}

// A scheme decides which dispatches there are; without a queue there is no limiter.
function offer() {
  const form = $("form").elements, allowed = form.scheme.selectedOptions[0].dataset.dispatch.split(" ");
  for (const option of form.dispatch.options) option.disabled = !allowed.includes(option.value);
  if (!allowed.includes(form.dispatch.value)) form.dispatch.value = allowed[0];
  const limited = form.dispatch.value === "queued";
  for (const control of document.querySelectorAll(".limited input, .limited select")) control.disabled = !limited;
  const per = form["limiter.kind"].value === "shared" ? "orders/s, all together" : "orders/s, each worker";
  $("per").textContent = per;
  $("per-now").textContent = `${per}, from now on`;
  if (form["limiter.kind"].value === "none") form["limiter.rate_per_s"].disabled = true;
}

function showPast(held) {
  $("past").hidden = !held.length;
  if (showPast.count === held.length) return;
  showPast.count = held.length;
  $("past").querySelector("tbody").replaceChildren(...held.toReversed().map((each) => {
    const row = make("tr"), verdict = make("td"), link = make("td");
    const tag = make("span", each.verdict ?? "FAILED");
    tag.className = `tag ${each.verdict ?? ""}`;
    verdict.append(tag);
    if (each.verdict) {
      const anchor = make("a", "report");
      anchor.href = report(each);
      link.append(anchor);
    }
    row.append(make("td", String(each.number)), verdict, make("td", soldBy(each.values)), make("td", each.sentence), link);
    return row;
  }));
}

// Only what the shop is asked for says by what it sold.
function soldBy(values) {
  const asked = (name) => !$("form").elements[name].closest("label").hidden;
  const limiter = values.dispatch === "queued" && asked("limiter.kind") ? ` · ${values["limiter.kind"]}${values["limiter.kind"] === "none" ? "" : ` ${values["limiter.rate_per_s"]}/s × ${values["workers.count"]}`}` : "";
  const chosen = ["scheme", "dispatch"].filter(asked).map((name) => values[name]).join(" · ");
  return chosen + limiter || `${number(values.stock)} units`;
}

const report = (each) => `${BASE}/runs/${each.number}/report.html`;

async function post(what, values) {
  const answer = await fetch(`${BASE}/${what}`, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values ?? {}),
  });
  const data = await answer.json().catch(() => ({}));
  say(answer.ok ? "" : data.error ?? `HTTP ${answer.status}`);
}

function say(text) {
  const message = $("message");
  if (!message) return;
  message.textContent = text;
  message.hidden = !text;
}

function make(name, text) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  return element;
}

if ($("form")) {
  $("form").addEventListener("input", offer);
  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const values = {};
    for (const { name, value, type } of $("form").elements) if (name) values[name] = type === "number" ? Number(value) : value;
    $("start").disabled = true;
    post("start", values);
  });
  $("control").addEventListener("submit", (event) => {
    event.preventDefault();
    post("rate", { rate_per_s: Number($("control").elements.rate.value) });
  });
  $("stop").addEventListener("click", () => post("stop"));
}
addEventListener("resize", () => newest && charts(newest));
look();
