// The live page: it shows the WebSocket's seconds, and now and then /v1/feed and /v1/scores.
import { decimals, draw } from "./chart.js";

const SHOWN_S = 600; // seconds of the chart
const $ = (id) => document.getElementById(id);
const wanted = new URLSearchParams(location.search);
let symbol = (wanted.get("symbol") || "").toUpperCase();
let key = wanted.get("api_key") || sessionStorage.getItem("api_key") || "";
let ahead = 60, points = [], newest = null, receivedMs = 0, socket = null, pauseMs = 500, speed = 1, loading = 0;

const number = (value, digits) => value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const money = (value, like = value) => (value === null ? "–" : number(value, like >= 1000 ? 2 : like >= 1 ? 4 : 6));
const short = (value, width) => (value === null ? "–" : number(value, decimals(value, width / 10)));
const signed = (value, digits, unit) => `${value < 0 ? "−" : "+"}${number(Math.abs(value), digits)}${unit}`;
const span = (s) => (s < 60 ? `${s} s` : s % 60 ? `${s} s` : `${s / 60} min`);
const text = (id, value, tone = "") => { $(id).textContent = value; $(id).className = tone; };

async function ask(path) {
  const answer = await fetch(path, { headers: key ? { "X-API-Key": key } : {} });
  if (answer.status === 401) { $("key").hidden = false; $("key-value").focus(); }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.detail || `${path}: ${answer.status}`);
  }
  return answer.json();
}

function notice(message) { $("notice").textContent = message; $("notice").hidden = !message; }

// ── messages ──────────────────────────────────────────────────────────────────────────────────────────────────

function connect() {
  const query = new URLSearchParams({ symbols: symbol, ...(key ? { api_key: key } : {}) });
  const here = new URL("v1/stream", location.href);
  here.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  here.search = query;
  const mine = (socket = new WebSocket(here));
  mine.onmessage = (event) => { if (mine === socket) { pauseMs = 500; receive(JSON.parse(event.data)); } };
  mine.onclose = () => { if (mine === socket) { setTimeout(connect, pauseMs); pauseMs = Math.min(pauseMs * 2, 5000); showConnection(); } };
}

function receive(message) {
  text("source", message.source, "badge");
  speed = message.speed;
  const row = message.predictions.find((one) => one.symbol === symbol);
  if (!row) return;
  if (!newest || row.second > newest.second) receivedMs = performance.now();
  const before = points.length ? points[points.length - 1] : null;
  if (before && row.second - before[0] > 5 && !loading) history();
  newest = row;
  if (!before || row.second > before[0]) points.push([row.second, row.mid]);
  points = points.slice(-SHOWN_S);
  show(message);
}

async function history() {
  loading = 1;
  try {
    const bars = await ask(`v1/bars?symbol=${encodeURIComponent(symbol)}&limit=${SHOWN_S}`);
    const mids = bars.channels.mid || bars.channels.price || [];
    const past = bars.second.map((second, i) => [second, mids[i]]);
    const last = past.length ? past[past.length - 1][0] : 0;
    points = [...past, ...points.filter(([second]) => second > last)].slice(-SHOWN_S);
    draw($("chart"), points, newest, ahead);
  } finally { loading = 0; }
}

// ── display ───────────────────────────────────────────────────────────────────────────────────────────────────

function show(message) {
  const row = newest;
  text("name", symbol);
  $("mid").textContent = money(row.mid);
  document.title = row.mid === null ? symbol : `${money(row.mid)} ${symbol}`;
  const minute = points.find(([second, mid]) => second >= row.second - 60 && mid !== null);
  const change = minute && row.mid !== null ? row.mid - minute[1] : null;
  text("move", change === null ? "no price in this second" : `${signed(change, row.mid >= 1000 ? 2 : 4, "")} in the last minute`,
    change === null ? "warn" : change > 0 ? "good" : change < 0 ? "bad" : "muted");
  table(row);
  text("model", row.model ? `${row.model} (${row.kind})` : "none");
  const role = message.tensorflow;
  text("tensorflow", role === "none" ? "no release yet" : role, role === "champion" ? "good" : "");
  text("second", new Date(row.second * 1000).toISOString().slice(11, 19) + " UTC");
  const delay = Date.now() - row.closed_ms;
  if (message.type === "update") text("latency", delay < 60000 ? `${number(Math.max(delay, 0), 0)} ms` : "old");
  draw($("chart"), points, row, ahead);
  showConnection();
}

function chips(row, live) {
  const flags = [...new Set([...row.flags, ...(row.stale || !live ? ["stale"] : [])])];
  $("flags").replaceChildren(...(flags.length ? flags : ["all checks good"]).map((flag) => {
    const chip = document.createElement("li");
    chip.textContent = flag.replace("_", " ");
    chip.className = !flags.length ? "good" : ["stale", "unpriced", "gapped"].includes(flag) ? "bad" : "warn";
    return chip;
  }));
}

function table(row) {
  const widest = Math.max(...row.forecasts.flatMap((one) => [one.quantiles["0.95"], -one.quantiles["0.05"]]), 1e-9);
  const percent = (value) => 50 + (50 * value) / widest;
  $("horizons").replaceChildren(...row.forecasts.map((one) => {
    const line = document.createElement("tr"), bps = one.mean * 1e4;
    cell(line, span(one.horizon_s));
    cell(line, money(one.price, row.mid));
    cell(line, signed(bps, 2, " bp"), `wide ${Math.abs(bps) < 0.005 ? "muted" : bps > 0 ? "good" : "bad"}`);
    const [low, high] = [one.prices["0.05"], one.prices["0.95"]];
    cell(line, `${short(low, high - low)} – ${short(high, high - low)}`);
    const track = document.createElement("span");
    track.className = "track";
    for (const [from, to] of [["0.05", "0.95"], ["0.25", "0.75"]]) bar(track, percent(one.quantiles[from]), percent(one.quantiles[to]));
    bar(track, percent(one.mean), null);
    cell(line, "", "wide range").append(track);
    return line;
  }));
}

function cell(line, value, tone = "") {
  const made = line.insertCell();
  made.textContent = value;
  made.className = tone;
  return made;
}

function bar(track, from, to) {
  const made = track.appendChild(document.createElement("i"));
  made.style.left = `${from}%`;
  if (to !== null) made.style.width = `${to - from}%`;
}

function showConnection() {
  const open = socket && socket.readyState === WebSocket.OPEN;
  const quiet = newest ? (performance.now() - receivedMs) / 1000 : 0;
  const stale = !newest || newest.stale || quiet > Math.max(3, 5 / speed);
  const state = socket && !open ? "lost" : stale ? "stale" : "live";
  $("link").className = `dot ${state}`;
  $("link-text").textContent = { lost: "reconnecting …", stale: newest ? `quiet for ${Math.round(Math.max(quiet, newest.age_s / speed))} s` : "waiting", live: "live" }[state];
  $("mid").classList.toggle("stale", state !== "live");
  if (newest) chips(newest, state === "live");
}

async function refreshFeedAndScores() {
  try {
    const [feed, scores] = await Promise.all([ask("v1/feed"), ask(`v1/scores?symbol=${encodeURIComponent(symbol)}`)]);
    picker(feed.symbols.map((one) => one.symbol));
    const mine = feed.symbols.find((one) => one.symbol === symbol);
    if (mine && mine.completeness !== null) {
      text("complete", `${number(mine.completeness * 100, 2)} %`, mine.completeness > 0.999 ? "good" : "warn");
      const gaps = mine.gaps.length;
      text("gaps", gaps ? `${gaps} (${mine.missing_s + mine.gapped_s} s)` : "none", gaps ? "warn" : "good");
    }
    skill(scores.scores.filter((one) => newest && one.model === newest.model));
  } catch (error) { notice(newest ? "" : error.message); }
}

function skill(rows) {
  const row = rows.find((one) => one.horizon_s === 10) || rows[0];
  if (!row) { text("skill", "not scored yet", "muted"); text("coverage", "not scored yet", "muted"); return; }
  if (row.kind === "naive") text("skill", "the naive forecast is the measure", "muted");
  else if (row.skill_low > 0) text("skill", `${signed(row.skill * 100, 2, " %")} vs naive at ${span(row.horizon_s)}`, "good");
  else text("skill", `no skill now at ${span(row.horizon_s)}`, "warn");
  const inside = row.coverage["0.9"];
  if (inside !== undefined) text("coverage", `${number(inside * 100, 1)} %`, Math.abs(inside - 0.9) <= 0.03 ? "good" : "warn");
}

function picker(symbols) {
  const list = $("symbol");
  list.hidden = symbols.length < 2;
  $("name").hidden = !list.hidden;
  if (list.options.length === symbols.length) return;
  list.replaceChildren(...symbols.map((name) => new Option(name, name, false, name === symbol)));
}

// ── start ────────────────────────────────────────────────────────────────────────────────────────────────────

async function open() {
  try {
    const known = (await ask("v1/predictions/latest")).predictions.map((one) => one.symbol);
    if (!known.includes(symbol)) symbol = known.includes("BTCUSDT") ? "BTCUSDT" : known[0];
    $("key").hidden = true;
    notice("");
    text("name", symbol);
    connect();
    await history();
    await refreshFeedAndScores();
  } catch (error) {
    if (!$("key").hidden) return;
    notice(error.message);
    setTimeout(open, 2000);
  }
}

$("key").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key-value").value;
  sessionStorage.setItem("api_key", key);
  open();
});
$("symbol").addEventListener("change", () => {
  symbol = $("symbol").value;
  points = []; newest = null;
  window.history.replaceState(null, "", `?symbol=${symbol}`);
  const old = socket;
  connect();
  old?.close();
  history().then(refreshFeedAndScores).catch((error) => notice(error.message));
});
for (const button of document.querySelectorAll("[data-ahead]")) {
  button.addEventListener("click", () => {
    ahead = Number(button.dataset.ahead);
    document.querySelectorAll("[data-ahead]").forEach((one) => one.setAttribute("aria-pressed", one === button));
    draw($("chart"), points, newest, ahead);
  });
}
new ResizeObserver(() => draw($("chart"), points, newest, ahead)).observe($("chart"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw($("chart"), points, newest, ahead));
setInterval(showConnection, 1000);
setInterval(() => newest && refreshFeedAndScores(), 5000);
open();
