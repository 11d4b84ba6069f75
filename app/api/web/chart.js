// The chart: past mids and the newest forecast, drawn on a canvas.
// points: [[second, mid | null], …] rising · forecast: {second, mid, forecasts: [{horizon_s, price, prices}]} or null

const WIDEST = "0.05 0.95", HALF = "0.25 0.75";

export function draw(canvas, points, forecast, ahead) {
  const box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  if (!box.width) return;
  const width = Math.round(box.width * ratio), height = Math.round(box.height * ratio);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, box.width, box.height);
  if (!points.length) return;
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(`--${name}`).trim();
  const now = forecast ? forecast.second : points[points.length - 1][0];
  const behind = ahead <= 60 ? 120 : 300;
  const known = points.filter(([second]) => second >= now - behind);
  const fan = forecast && forecast.mid !== null ? sampled(forecast, ahead) : [];
  const scale = scaled(box, now, behind, ahead, known, fan);
  axes(pen, box, scale, now, behind, ahead, color);
  band(pen, scale, fan, "low90", "high90", color("fan"), 0.2);
  band(pen, scale, fan, "low50", "high50", color("fan"), 0.32);
  line(pen, scale, fan.map((at) => [at.second, at.mean]), color("fan"), 2);
  line(pen, scale, known, color("price"), 2, 3);
  const last = known.findLast(([, mid]) => mid !== null);
  if (last) dot(pen, scale, last, color("price"), color("card"));
}

// Between horizons a random walk widens with the square root of time.
function sampled(forecast, ahead) {
  const knots = [{ t: 0, price: forecast.mid, prices: {} }];
  for (const one of forecast.forecasts) knots.push({ t: one.horizon_s, price: one.price, prices: one.prices });
  const value = (knot, level) => (knot.t ? knot.prices[level] ?? knot.price : forecast.mid);
  const out = [];
  for (let step = 0; step <= 60; step++) {
    const t = (ahead * step * step) / 3600, right = knots.findIndex((knot) => knot.t >= t);
    if (right < 0) break;
    const a = knots[Math.max(right - 1, 0)], b = knots[right];
    const part = b.t === a.t ? 0 : (Math.sqrt(t) - Math.sqrt(a.t)) / (Math.sqrt(b.t) - Math.sqrt(a.t));
    const mix = (read) => read(a) + (read(b) - read(a)) * part;
    const [low90, high90] = WIDEST.split(" ").map((level) => mix((knot) => value(knot, level)));
    const [low50, high50] = HALF.split(" ").map((level) => mix((knot) => value(knot, level)));
    out.push({ second: forecast.second + t, mean: mix((knot) => knot.price), low90, high90, low50, high50 });
  }
  return out;
}

function scaled(box, now, behind, ahead, known, fan) {
  const values = [...known.map(([, mid]) => mid).filter((mid) => mid !== null), ...fan.flatMap((at) => [at.low90, at.high90])];
  let low = Math.min(...values), high = Math.max(...values);
  const margin = (high - low || Math.abs(high) * 1e-4 || 1) * 0.08;
  low -= margin; high += margin;
  const digits = decimals(high, high - low), left = 2, bottom = 22;
  const right = 12 + 7.6 * high.toFixed(digits).length, top = 6;
  const w = box.width - left - right, h = box.height - top - bottom;
  return {
    low, high, digits, left, top, w, h,
    x: (second) => left + (w * (second - now + behind)) / (behind + ahead),
    y: (price) => top + (h * (high - price)) / (high - low),
  };
}

export function decimals(price, span) {
  if (!Number.isFinite(span) || span <= 0) return 2;
  return Math.min(8, Math.max(0, Math.ceil(-Math.log10(span / 5))));
}

function axes(pen, box, s, now, behind, ahead, color) {
  pen.font = "12px system-ui, sans-serif";
  pen.lineWidth = 1;
  const step = nice((s.high - s.low) / 4);
  for (let price = Math.ceil(s.low / step) * step; price < s.high; price += step) {
    const y = Math.round(s.y(price)) + 0.5;
    stroke(pen, [[s.left, y], [s.left + s.w, y]], color("edge"));
    pen.fillStyle = color("muted"); pen.textAlign = "left"; pen.textBaseline = "middle";
    pen.fillText(price.toLocaleString("en-US", { minimumFractionDigits: s.digits, maximumFractionDigits: s.digits }), s.left + s.w + 8, y);
  }
  const x = Math.round(s.x(now)) + 0.5;
  pen.setLineDash([3, 4]);
  stroke(pen, [[x, s.top], [x, s.top + s.h]], color("muted"));
  pen.setLineDash([]);
  pen.textBaseline = "alphabetic";
  const every = ahead <= 60 ? 30 : 120, narrow = s.w < 420;
  for (let t = -Math.floor(behind / every) * every; t <= ahead; t += every * (narrow && ahead <= 60 ? 2 : 1)) {
    pen.fillStyle = color(t === 0 ? "text" : "muted");
    pen.textAlign = t === -behind ? "left" : t === ahead ? "right" : "center";
    pen.fillText(t === 0 ? "now" : label(t), s.x(now + t), box.height - 5);
  }
}

const label = (t) => (t > 0 ? "+" : "−") + (Math.abs(t) % 60 ? `${Math.abs(t)} s` : `${Math.abs(t) / 60} min`);

function nice(raw) {
  const unit = 10 ** Math.floor(Math.log10(raw)), times = raw / unit;
  return unit * (times < 1.5 ? 1 : times < 3.5 ? 2 : times < 7.5 ? 5 : 10);
}

function stroke(pen, points, style) {
  pen.strokeStyle = style;
  pen.beginPath();
  points.forEach(([x, y], i) => (i ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.stroke();
}

// A gap in time of more than `longest` seconds is a gap in the line.
function line(pen, s, points, style, width, longest = Infinity) {
  pen.strokeStyle = style; pen.lineWidth = width; pen.lineJoin = "round";
  pen.beginPath();
  let before = null;
  for (const [second, value] of points) {
    if (value === null) { before = null; continue; }
    if (before === null || second - before > longest) pen.moveTo(s.x(second), s.y(value));
    else pen.lineTo(s.x(second), s.y(value));
    before = second;
  }
  pen.stroke();
}

function band(pen, s, fan, low, high, style, alpha) {
  if (fan.length < 2) return;
  pen.globalAlpha = alpha; pen.fillStyle = style;
  pen.beginPath();
  fan.forEach((at, i) => (i ? pen.lineTo(s.x(at.second), s.y(at[high])) : pen.moveTo(s.x(at.second), s.y(at[high]))));
  [...fan].reverse().forEach((at) => pen.lineTo(s.x(at.second), s.y(at[low])));
  pen.fill();
  pen.globalAlpha = 1;
}

function dot(pen, s, [second, value], style, edge) {
  pen.fillStyle = style; pen.strokeStyle = edge; pen.lineWidth = 2;
  pen.beginPath();
  pen.arc(s.x(second), s.y(value), 5, 0, 7);
  pen.fill(); pen.stroke();
}
