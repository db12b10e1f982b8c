// The figures of the page. Everything that comes from the program is put into the
// document as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);

// ---- building the document

// el makes an element. What is set is a property, or an attribute if its name
// has a dash in it or it is one that has no property.
function el(tag, set = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(set)) {
    if (k.includes("-") || k === "role" || k === "scope") e.setAttribute(k, v);
    else e[k] = v;
  }
  e.append(...children);
  return e;
}

function svg(tag, attrs = {}, ...children) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, v] of Object.entries(attrs)) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

// put changes text only if it has changed, so that what is selected stays so.
function put(e, text, exact) {
  if (e.textContent !== text) e.textContent = text;
  if (exact !== undefined && e.title !== exact) e.title = exact;
}

// rows keeps the rows of a table: those of keys that stay are changed, and keep
// the focus and what is open. What has the same key as one before, two Debugs of
// one name or two calls in one line, has a row of its own.
function rows(body, items, key, make, change) {
  const had = body.rowsByKey ??= new Map();
  const times = new Map();
  const keys = items.map((item) => {
    const k = key(item), n = times.get(k) ?? 0;
    times.set(k, n + 1);
    return n ? k + "\n" + n : k;
  });
  const stays = new Set(keys);
  for (const [k, row] of had) if (!stays.has(k)) { row.remove(); had.delete(k); }
  let at = body.firstElementChild;
  for (const [i, item] of items.entries()) {
    let row = had.get(keys[i]);
    if (!row) had.set(keys[i], row = make(item));
    change(row, item);
    if (row === at) at = at.nextElementSibling;
    else if (row.isConnected && body.moveBefore) body.moveBefore(row, at); // and keep the focus
    else body.insertBefore(row, at);
  }
}

// ---- numbers for people

const units = ["B", "KiB", "MiB", "GiB", "TiB"];

function bytes(n) {
  let u = 0, v = Math.abs(n);
  while (v >= 1024 && u < units.length - 1) { v /= 1024; u++; }
  const digits = u === 0 || v >= 100 ? 0 : v >= 10 ? 1 : 2;
  return (n < 0 ? "−" : "") + v.toFixed(digits) + " " + units[u];
}

const count = (n) => n.toLocaleString("en");
const percent = (f) => (f > 0 && f < 0.01 ? "<1" : Math.round(100 * f)) + " %";
const exactly = (n) => count(n) + " bytes";
const clock = (t) => new Date(t).toLocaleTimeString("en-GB");

function span(ms) {
  const s = Math.round(ms / 1000);
  if (s < 120) return s + " s";
  return s < 7200 ? Math.round(s / 60) + " min" : Math.round(s / 3600) + " h";
}

function putBytes(e, n) {
  put(e, bytes(n), exactly(n));
  e.classList.toggle("zero", n === 0);
}

function putCount(e, n, bad) {
  put(e, count(n));
  e.classList.toggle("zero", n === 0);
  e.classList.toggle("bad", Boolean(bad) && n > 0);
}

// ---- what is known

let stats = null;
let leaks = null;
const history = { time: [], off_heap: [], go_total: [], bytes: new Map() };
const mostPoints = 600;
let chosen = ""; // the name that was picked, or none
let by = "live"; // what the stacks are sorted by
const folded = new Set(); // names whose children are hidden

function remember(h) {
  const n = history.time.length, lines = new Map(Object.entries(h.bytes)); // for objects have names of their own
  history.time.push(...h.time);
  history.off_heap.push(...h.off_heap);
  history.go_total.push(...h.go_total);
  for (const name of new Set([...history.bytes.keys(), ...lines.keys()])) {
    const line = history.bytes.get(name) ?? new Array(n).fill(0);
    line.push(...(lines.get(name) ?? new Array(h.time.length).fill(0)));
    history.bytes.set(name, line);
  }
  const over = history.time.length - mostPoints;
  if (over <= 0) return;
  for (const line of [history.time, history.off_heap, history.go_total, ...history.bytes.values()]) line.splice(0, over);
  for (const [name, line] of history.bytes) if (line.every((v) => v === 0)) history.bytes.delete(name);
}

const isBelow = (name, above) => above === "" || name === above || name.startsWith(above + "/");
const parent = (name) => name.slice(0, Math.max(name.lastIndexOf("/"), 0));

// ---- the process

function drawProcess() {
  const p = stats.process, m = stats.memory;
  put($("program"), p.program);
  put($("process"), "process " + p.pid + ", " + p.go);
  document.title = p.program + ": memory held by allocators";
  const named = stats.allocators.filter((a) => !a.name.includes("/")).reduce((sum, a) => sum + a.bytes, 0);
  const totals = [["Off the Go heap", m.off_heap], ["Live, under names", named], ["Go runtime and heap", m.go_total], ["Go's memory limit", m.go_limit]];
  const list = $("totals");
  if (!list.children.length) for (const [what] of totals) list.append(el("div", {}, el("dt", {}, what), el("dd")));
  totals.forEach(([what, n], i) => {
    const dd = list.children[i].lastChild;
    if (what === "Go's memory limit" && !n) put(dd, "none", "");
    else putBytes(dd, n);
  });

  const limit = m.budget ? m.budget.total : m.go_limit;
  const used = m.off_heap + m.go_total;
  const scale = Math.max(limit, used, 1);
  const bar = $("budget");
  if (!bar.children.length) bar.append(el("span", { className: "off" }), el("span", { className: "go" }), el("span", { className: "limit" }));
  bar.children[0].style.width = 100 * m.off_heap / scale + "%";
  bar.children[1].style.width = 100 * m.go_total / scale + "%";
  bar.children[2].hidden = !(limit && limit < scale);
  bar.children[2].style.left = 100 * limit / scale + "%";

  const text = $("budget-text");
  if (!text.children.length) {
    text.append(el("span", { className: "swatch off" }), el("span"), el("span", { className: "swatch go" }), el("span"), el("span"));
  }
  put(text.children[1], bytes(m.off_heap) + " off the heap");
  put(text.children[3], bytes(m.go_total) + " of Go's");
  let says = limit ? ": " + percent(used / limit) : "";
  if (m.budget) {
    const b = m.budget;
    says += " of a budget of " + bytes(b.total) + ". Go's limit was moved to what is left " + count(b.moves) + (b.moves === 1 ? " time" : " times") +
      (b.reserved ? "; " + bytes(b.reserved) + " are reserved for other code" : "") +
      (b.refused ? "; " + count(b.refused) + " requests were refused" : "") + "." +
      (b.lost ? " Somebody else has set Go's limit since: the budget is not in force." : "");
  } else if (limit) {
    says += " of Go's memory limit, which does not count what is off the heap; a heap.Budget makes it do so.";
  } else {
    says = ". There is no limit: neither GOMEMLIMIT nor a heap.Budget is set.";
  }
  put(text.children[4], says);
  text.children[4].classList.toggle("bad", Boolean(limit && used > limit) || Boolean(m.budget?.lost));
}

// ---- live bytes over time

const most = 6;
const colours = new Map(); // name -> 0 to most-1

// lines returns what is stacked: what each name has without the names below it,
// the largest of those that are chosen, and the rest in one.
function lines() {
  const own = new Map();
  for (const [name, line] of history.bytes) own.set(name, line.slice());
  for (const [name, line] of history.bytes) {
    const above = own.get(parent(name));
    if (above) for (let i = 0; i < line.length; i++) above[i] -= line[i];
  }
  let all = [];
  for (const [name, line] of own) {
    if (!isBelow(name, chosen)) continue;
    for (let i = 0; i < line.length; i++) line[i] = Math.max(line[i], 0); // of slightly different moments
    const top = line.reduce((a, b) => Math.max(a, b), 0);
    if (top > 0) all.push({ name, line, top });
  }
  all.sort((a, b) => b.top - a.top || (a.name < b.name ? -1 : 1));
  const rest = all.splice(most);
  const free = new Set(Array.from({ length: most }, (_, i) => i));
  for (const l of all) free.delete(colours.get(l.name));
  for (const name of [...colours.keys()]) if (!all.some((l) => l.name === name)) colours.delete(name);
  for (const l of all) {
    if (!colours.has(l.name)) { const [c] = free; free.delete(c); colours.set(l.name, c); }
    l.colour = "k" + colours.get(l.name);
  }
  all.sort((a, b) => (a.name < b.name ? -1 : 1));
  if (rest.length) {
    const line = new Array(history.time.length).fill(0);
    for (const r of rest) r.line.forEach((v, i) => { line[i] += v; });
    all.push({ name: count(rest.length) + " others", line, colour: "rest" });
  }
  return all;
}

// ticks returns round numbers of bytes, four or so, the last not less than top.
function ticks(top) {
  let step = 1;
  while (top / step > 4) step *= 2;
  const at = [0];
  while (at[at.length - 1] < top) at.push(at.length * step);
  return at;
}

let place = null; // what the chart looks like now

function drawTime() {
  const box = $("chart"), n = history.time.length;
  const all = lines();
  const total = new Array(n).fill(0);
  for (const l of all) l.line.forEach((v, i) => { total[i] += v; });
  const moment = $("moment");
  const follow = Number(moment.value) >= Number(moment.max);
  moment.max = Math.max(n - 1, 0);
  if (follow) moment.value = moment.max;
  moment.disabled = n < 2;

  const from = history.time[0] ?? 0, to = history.time[n - 1] ?? 1;
  const marks = ticks(Math.max(...total, 1));
  const top = marks[marks.length - 1];
  const width = Math.max(box.clientWidth, 200), height = box.clientHeight;
  const left = 66, right = 8, above = 8, below = 22;
  const x = (t) => left + (width - left - right) * (to > from ? (t - from) / (to - from) : 1);
  const y = (v) => above + (height - above - below) * (1 - v / top);
  const least = total.length ? Math.min(...total) : 0, now = total[n - 1] ?? 0;
  const what = chosen ? chosen : "all names";
  put($("time-of"), n < 2 ? "Waiting for a second point." :
    "Of " + what + ", in the last " + span(to - from) + ": now " + bytes(now) + ", least " + bytes(least) + ", most " + bytes(Math.max(...total)) + ".");

  const picture = svg("svg", { width, height, viewBox: "0 0 " + width + " " + height, role: "img", "aria-labelledby": "time-title", "aria-describedby": "time-of" });
  for (const v of marks) {
    picture.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: y(v), y2: y(v) }));
    picture.append(svg("text", { x: left - 8, y: y(v) + 4, "text-anchor": "end" }, bytes(v)));
  }
  const parts = Math.max(1, Math.min(Math.floor((width - left - right) / 130), Math.floor((to - from) / 1000)));
  for (let i = 0; i <= parts && n > 1; i++) {
    const t = from + (to - from) * i / parts;
    const anchor = i === 0 ? "start" : i === parts ? "end" : "middle";
    picture.append(svg("text", { x: x(t), y: height - 5, "text-anchor": anchor }, clock(t)));
  }
  const floor = new Array(n).fill(0);
  for (const l of all) {
    const up = [], down = [];
    for (let i = 0; i < n; i++) {
      down.push(x(history.time[i]).toFixed(1) + " " + y(floor[i]).toFixed(1));
      floor[i] += l.line[i];
      up.push(x(history.time[i]).toFixed(1) + " " + y(floor[i]).toFixed(1));
    }
    if (n > 1) picture.append(svg("path", { class: "area " + l.colour, d: "M" + up.join("L") + "L" + down.reverse().join("L") + "Z" }));
  }
  const cursor = svg("line", { class: "cursor", y1: above, y2: height - below });
  picture.append(cursor);
  box.replaceChildren(picture);
  place = { all, total, x, left, right, width, cursor };

  const body = $("lines").tBodies[0];
  const shown = all.map((l) => ({ ...l, key: l.colour === "rest" ? "" : "/" + l.name }));
  shown.push({ name: "together", key: "+", line: total, colour: null });
  rows(body, shown, (l) => l.key, () => {
    const row = el("tr", {}, el("th", { scope: "row" }, el("span"), el("span")));
    for (let i = 0; i < 3; i++) row.append(el("td", { className: "num" }));
    return row;
  }, (row, l) => {
    const [head, at, low, high] = row.children;
    head.firstChild.className = l.colour ? "swatch " + l.colour : "";
    put(head.lastChild, l.name);
    row.line = l.line;
    putBytes(low, n ? Math.min(...l.line) : 0);
    putBytes(high, n ? Math.max(...l.line) : 0);
  });
  drawMoment();
}

// drawMoment shows the values of the point in time that the slider is at.
function drawMoment() {
  if (!place) return;
  const moment = $("moment"), i = Number(moment.value), last = history.time.length - 1;
  const at = history.time[i];
  if (at === undefined) return;
  const x = place.x(at);
  place.cursor.setAttribute("x1", x);
  place.cursor.setAttribute("x2", x);
  place.cursor.setAttribute("visibility", i < last ? "visible" : "hidden");
  put($("lines-at"), i < last ? "At " + clock(at) : "Now");
  moment.setAttribute("aria-valuetext", clock(at) + ", " + bytes(place.total[i]));
  for (const row of $("lines").tBodies[0].rows) putBytes(row.children[1], row.line[i] ?? 0);
}

$("moment").addEventListener("input", drawMoment);
$("chart").addEventListener("pointermove", (e) => {
  if (!place || history.time.length < 2) return;
  const box = $("chart").getBoundingClientRect(), n = history.time.length;
  const inner = place.width - place.left - place.right;
  const t = history.time[0] + (history.time[n - 1] - history.time[0]) * (e.clientX - box.left - place.left) / inner;
  let best = 0;
  for (let i = 1; i < n; i++) if (Math.abs(history.time[i] - t) < Math.abs(history.time[best] - t)) best = i;
  $("moment").value = best;
  drawMoment();
});
$("chart").addEventListener("pointerleave", () => { $("moment").value = $("moment").max; drawMoment(); });

// ---- the tree

function spark(name) {
  const line = history.bytes.get(name) ?? [], w = 84, h = 18;
  const picture = svg("svg", { width: w, height: h, viewBox: "0 0 " + w + " " + h, "aria-hidden": "true" });
  if (line.length > 1) {
    const top = Math.max(...line, 1), from = history.time[0], to = history.time[line.length - 1];
    const d = line.map((v, i) => (w * (history.time[i] - from) / Math.max(to - from, 1)).toFixed(1) + " " + (h - 1 - (h - 3) * v / top).toFixed(1));
    picture.append(svg("path", { class: "spark", d: "M" + d.join("L") }));
  }
  return picture;
}

function choose(name) {
  chosen = chosen === name ? "" : name;
  drawTree();
  drawTime();
  askLeaks();
}

function drawTree() {
  const all = stats.allocators.filter((a) => a.total_blocks > 0 || a.allocators > 0);
  const parents = new Set(all.map((a) => parent(a.name)));
  const hides = (name) => {
    for (let up = parent(name); up; up = parent(up)) if (folded.has(up)) return true;
    return false;
  };
  $("tree-none").hidden = all.length > 0;
  $("tree").hidden = all.length === 0;
  rows($("tree").tBodies[0], all, (a) => a.name, (a) => {
    const depth = a.name.split("/").length - 1;
    const twist = el("button", { type: "button", className: "twist", "aria-label": "What is below " + a.name });
    twist.addEventListener("click", () => {
      if (!folded.delete(a.name)) folded.add(a.name);
      drawTree();
    });
    const pick = el("button", { type: "button", className: "pick", title: a.name }, depth ? a.name.slice(a.name.lastIndexOf("/") + 1) : a.name);
    if (depth) pick.setAttribute("aria-label", a.name);
    pick.addEventListener("click", () => choose(a.name));
    const head = el("th", { scope: "row" }, twist, el("span", { className: "leaf" }), pick);
    head.style.paddingLeft = 1.25 * depth + "rem";
    const row = el("tr", {}, head);
    for (let i = 0; i < 9; i++) row.append(el("td", { className: i === 1 ? "" : "num" }));
    return row;
  }, (row, a) => {
    const [head, live, trend, blocks, peak, ever, failures, resizes, committed, unused] = row.children;
    const [twist, leaf, pick] = head.children;
    twist.hidden = !parents.has(a.name);
    leaf.hidden = parents.has(a.name);
    twist.setAttribute("aria-expanded", String(!folded.has(a.name)));
    pick.setAttribute("aria-pressed", String(chosen === a.name));
    row.classList.toggle("chosen", chosen === a.name);
    row.hidden = hides(a.name);
    putBytes(live, a.bytes);
    trend.replaceChildren(spark(a.name));
    putCount(blocks, a.blocks);
    putBytes(peak, a.peak_bytes);
    putBytes(ever, a.total_bytes);
    putCount(failures, a.failures, true);
    const resized = a.in_place + a.moved + a.refused;
    putCount(resizes, resized);
    resizes.title = count(a.in_place) + " in place, " + count(a.moved) + " moved, " + count(a.refused) + " refused";
    if (a.committed) putBytes(committed, a.committed);
    else put(committed, "–", "not known for this name alone");
    const known = a.committed > 0 && a.bytes <= a.committed;
    if (known) put(unused, percent(a.fragmentation), "of what is committed for it");
    else put(unused, "–", a.committed ? "some of its blocks lie elsewhere" : "not known for this name alone");
    committed.classList.toggle("zero", !a.committed);
    unused.classList.toggle("zero", !known);
  });
}

// ---- who holds it

function drawLeaks() {
  const sites = leaks.sites;
  $("leaks-none").hidden = leaks.sources.length > 0;
  $("leaks").hidden = sites.length === 0;
  let text = "";
  if (leaks.sources.length) {
    text = "Stacks " + (by === "live" ? "with the most live bytes" : "that have grown most") + (chosen ? " of " + chosen : "") + ", as " +
      "sampled, or known to a Debug. Grown counts from " + clock(Date.parse(leaks.since)) + ".";
    if (leaks.more_sites) text += " " + count(leaks.more_sites) + " more have " + bytes(leaks.more_bytes) + ".";
    if (!sites.length) text += " Nothing is live.";
  }
  put($("leaks-of"), text);
  $("leaks-json").href = leaksOf(chosen);
  for (const order of ["live", "grown"]) {
    const head = $("by-" + order).parentElement;
    if (order === by) head.setAttribute("aria-sort", "descending");
    else head.removeAttribute("aria-sort");
  }
  const key = (s) => s.allocator + "\n" + s.stack.map((f) => f.function + f.line).join("\n");
  rows($("leaks").tBodies[0], sites, key, (s) => {
    const where = el("th", { scope: "row" });
    if (s.stack.length) {
      const first = s.stack.find((f) => !within.test(f.function)) ?? s.stack[0];
      where.append(el("details", {},
        el("summary", {}, short(first.function), " ", el("small", {}, base(first.file) + ":" + first.line)),
        el("ol", { className: "calls" }, ...s.stack.map((f) => el("li", {}, f.function, el("small", {}, f.file + ":" + f.line))))));
    } else {
      where.append("stack not recorded");
    }
    const row = el("tr", {}, where);
    for (let i = 0; i < 4; i++) row.append(el("td", { className: "num" }));
    row.append(el("td", { className: "users" }, s.allocator));
    return row;
  }, (row, s) => {
    const [, live, grown, blocks, still] = row.children;
    putBytes(live, s.bytes);
    put(grown, (s.grown > 0 ? "+" : "") + bytes(s.grown), exactly(s.grown));
    grown.classList.toggle("zero", s.grown <= 0);
    putCount(blocks, s.blocks);
    put(still, s.total_bytes ? percent(s.bytes / s.total_bytes) : "–", "of " + exactly(s.total_bytes) + " ever allocated");
  });
}

// within are the containers, through which what they hold is allocated.
const within = /^github\.com\/allod-dev\/allod\/(generic|heap|mem)\./;

const short = (f) => f.slice(f.lastIndexOf("/") + 1);
const base = (f) => f.slice(Math.max(f.lastIndexOf("/"), f.lastIndexOf("\\")) + 1);

// ---- arenas, pools and sources

function drawFill() {
  const all = stats.footprints;
  $("fill-none").hidden = all.length > 0;
  $("fill").hidden = all.length === 0;
  const key = (f) => f.name + "\n" + f.type;
  rows($("fill").tBodies[0], all, key, (f) => {
    const row = el("tr", {}, el("th", { scope: "row" }, f.process ? "the process" : f.name || "shared"), el("td", {}, f.type));
    row.append(el("td", {}, el("div", { className: "fillbar" }, el("span", { className: "bar", "aria-hidden": "true" }, el("span", { className: "live" }), el("span", { className: "cached" })), el("span"))));
    for (let i = 0; i < 4; i++) row.append(el("td", { className: "num" }));
    row.append(el("td", { className: "users" }));
    return row;
  }, (row, f) => {
    const [, , fill, live, committed, reserved, returned, users] = row.children;
    const [bar, text] = fill.firstChild.children;
    const share = f.committed ? Math.min(f.live / f.committed, 1) : 0;
    bar.children[0].style.width = 100 * share + "%";
    bar.children[1].style.width = f.committed ? 100 * Math.min(f.cached / f.committed, 1 - share) + "%" : "0";
    put(text, percent(share));
    putBytes(live, f.live);
    putBytes(committed, f.committed);
    putBytes(reserved, f.reserved);
    putBytes(returned, f.returned);
    committed.title = exactly(f.committed) + (f.peak ? ", at most " + exactly(f.peak) : "");
    put(users, f.users.join(", "));
  });

  const classed = all.filter((f) => f.classes.length);
  $("classes-section").hidden = classed.length === 0;
  rows($("classes"), classed, key, (f) => {
    const title = (f.process ? "the process" : f.name || "shared") + ", " + f.type;
    return el("div", {}, el("h3", {}, title), el("div", { className: "wide fold", role: "region", "aria-label": "Size classes of " + title, tabIndex: 0 },
      el("table", { className: "classes", "aria-label": "Size classes of " + title },
        el("thead", {}, el("tr", {}, el("th", { scope: "col", className: "num" }, "Slot"), el("th", { scope: "col" }, el("span", { className: "hidden" }, "Occupancy")),
          el("th", { scope: "col", className: "num" }, "Live"), el("th", { scope: "col", className: "num" }, "Set aside"), el("th", { scope: "col", className: "num" }, "Slots"), el("th", { scope: "col", className: "num" }, "Held"))),
        el("tbody"))));
  }, (box, f) => drawClasses(box.querySelector("tbody"), f.classes));
}

function drawClasses(body, classes) {
  rows(body, classes, (c) => String(c.size), (c) => {
    const row = el("tr", {}, el("th", { scope: "row", className: "num", title: exactly(c.size) }, bytes(c.size)),
      el("td", {}, el("div", { className: "bar", "aria-hidden": "true" }, el("span", { className: "live" }), el("span", { className: "cached" }))));
    for (let i = 0; i < 4; i++) row.append(el("td", { className: "num" }));
    return row;
  }, (row, c) => {
    const [, occupancy, live, cached, slots, held] = row.children, bar = occupancy.firstChild;
    bar.children[0].style.width = 100 * c.live / c.slots + "%";
    bar.children[1].style.width = 100 * c.cached / c.slots + "%";
    putCount(live, c.live);
    putCount(cached, c.cached);
    putCount(slots, c.slots);
    putBytes(held, c.size * c.slots);
  });
}

// ---- Debug

function drawDebugs() {
  $("debugs-section").hidden = stats.debugs.length === 0;
  rows($("debugs").tBodies[0], stats.debugs, (d) => d.name, (d) => {
    const row = el("tr", {}, el("th", { scope: "row" }, d.name));
    for (let i = 0; i < 6; i++) row.append(el("td", { className: "num" }));
    return row;
  }, (row, d) => {
    const [, live, blocks, peak, quarantine, failures, reports] = row.children;
    putBytes(live, d.bytes);
    putCount(blocks, d.blocks);
    putBytes(peak, d.peak_bytes);
    putBytes(quarantine, d.quarantined_bytes);
    putCount(failures, d.failures, true);
    putCount(reports, d.reports, true);
  });
}

// ---- asking

// With ?every=500 the page asks every 500 ms. More than the timer can wait would
// be no time at all.
const every = Math.min(Math.max(Number(new URLSearchParams(location.search).get("every")) || 2000, 100), 2 ** 31 - 1);
let paused = false;
let tick = 0;

async function ask(what) {
  const answer = await fetch(what, { signal: AbortSignal.timeout(10_000), cache: "no-store" });
  if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
  return answer.json();
}

function say(text, bad) {
  const s = $("status");
  put(s, text);
  s.classList.toggle("bad", Boolean(bad));
}

const leaksOf = (name) => "leaks?by=" + by + (name ? "&allocator=" + encodeURIComponent(name) : "");

async function askLeaks() {
  const what = leaksOf(chosen);
  try {
    const l = await ask(what);
    if (what !== leaksOf(chosen)) return; // meanwhile something else was picked
    leaks = l;
  } catch (e) {
    if (what !== leaksOf(chosen)) return;
    leaks = { sources: [], sites: [], more_sites: 0, more_bytes: 0, since: new Date() }; // of this name nothing is known
  }
  drawLeaks();
}

async function look() {
  try {
    const last = history.time[history.time.length - 1] ?? 0;
    const [s, h] = await Promise.all([ask("stats"), ask("history?since=" + last)]);
    stats = s;
    // The program may be another one now, with a history of its own.
    if (h.time.length && h.time[0] > last) remember(h);
    drawProcess();
    drawTree();
    drawTime();
    drawFill();
    drawDebugs();
    if (tick++ % 3 === 0) await askLeaks();
    if (!paused) say("Live");
    document.documentElement.dataset.ready = String(tick);
  } catch (e) {
    say("No answer: " + e.message + ". Trying again.", true);
  }
}

async function loop() {
  for (;;) {
    if (!paused && !document.hidden) await look();
    await new Promise((done) => setTimeout(done, every));
  }
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  say(paused ? "Paused" : "Live");
});
for (const order of ["live", "grown"]) $("by-" + order).addEventListener("click", () => { by = order; askLeaks(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden && !paused && stats) look(); });
new ResizeObserver(() => { if (stats) drawTime(); }).observe($("chart"));
put($("pprof"), new URL("heap", location.href).href);
loop();
