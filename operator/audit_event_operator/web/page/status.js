// Reads /generators every two seconds and shows it. Whatever comes from outside reaches the page as text, never as markup.
"use strict";

const EVERY_MS = 2000;
const PATIENCE_MS = 10000;
const SAMPLES = 60; // of the observed rate, one per refresh: two minutes
const GAP_MS = 10000; // after a longer pause the lines begin anew, as they would not show what was in between
const FIELDS = [
  "namespace", "name", "state", "ready", "reason", "message", "rate_limited", "destination", "broker", "connected",
  "target_events_per_second", "observed_events_per_second", "events_published", "events_buffered", "held_bytes", "events_dropped",
  "open_scenarios", "last_episode_time", "owner",
];
const GROUPS = { all: "All", active: "Active", waiting: "Waiting", failing: "Failing", suspended: "Suspended", completed: "Completed" };
const URGENCY = ["failing", "waiting", "active", "suspended", "completed"];

// --- words ------------------------------------------------------------------------------------------------------------

const whole = new Intl.NumberFormat("en");
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const mebibytes = (bytes) => fine.format(bytes / 1048576);
const rate = (value) => (value >= 1000 ? whole.format(Math.round(value)) : fine.format(value));
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** "TLSVerificationFailed" → "TLS verification failed" */
function inWords(reason) {
  const words = reason.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+/g) ?? [reason];
  return words.map((word, at) => (at === 0 || /^[A-Z]{2}/.test(word) ? word : word.toLowerCase())).join(" ");
}

/** What a generator is doing: its state, and for an active one whether it gets through. */
const groupOf = (each) => (each.state === "active" && each.ready !== "True" ? "waiting" : each.state);
const keyOf = (each) => JSON.stringify([each.namespace, each.name]);
const linkTo = (each) => `#/${encodeURIComponent(each.namespace)}/${encodeURIComponent(each.name)}`;
const servedBy = (each) => (each.owner === null ? "" : `on ${each.owner || "no replica yet"}`);
const remark = (each) => (["waiting", "failing"].includes(each.group) ? each.message : each.rate_limited ?? "");

// --- building ---------------------------------------------------------------------------------------------------------

const $ = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** Sets a text only when it is another one: untouched nodes cost the browser nothing. */
function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const drawn = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);

function chart(svg) {
  const target = drawn("line");
  const line = drawn("polyline");
  target.setAttribute("x1", 0);
  target.setAttribute("x2", SAMPLES);
  const marks = drawn("path");
  svg.append(target, marks, line);
  return (history, began, asked) => {
    const highest = Math.max(asked, ...history) * 1.15 || 1;
    const height = (value) => (19 - (18 * value) / highest).toFixed(1);
    const begin = SAMPLES - history.length + 1;
    const points = history.map((value, at) => `${begin + at},${height(value)}`).join(" ");
    if (line.getAttribute("points") !== points) line.setAttribute("points", points);
    const upright = began.map((marked, at) => (marked ? `M${begin + at} 0V20` : "")).join("");
    if ((marks.getAttribute("d") ?? "") !== upright) marks.setAttribute("d", upright);
    if (target.getAttribute("y1") !== height(asked)) {
      target.setAttribute("y1", height(asked));
      target.setAttribute("y2", height(asked));
    }
  };
}

// --- one row ----------------------------------------------------------------------------------------------------------

const TOLD_APART = ["namespace", "name", "group", "reason", "destination", "broker", "owner"]; // what the filter looks at
const byName = (each) => `${each.namespace}\u0000${each.name}`;
const COLUMNS = [
  { title: "Generator", by: byName },
  { title: "State", by: (each) => `${URGENCY.indexOf(each.group)} ${each.reason}`, kind: "state" },
  { title: "Target /s", by: (each) => each.target_events_per_second, kind: "number" },
  { title: "Observed /s", by: (each) => each.observed_events_per_second, kind: "number" },
  { title: "Last 2 min", kind: "line" },
  { title: "Published", by: (each) => each.events_published, kind: "number" },
  { title: "Buffered", by: (each) => each.events_buffered, kind: "number" },
  { title: "Dropped", by: (each) => each.events_dropped, kind: "number" },
  { title: "Destination and broker", by: (each) => `${each.destination} ${each.broker}`, kind: "queue" },
];

// Charts are drawn only where they can be seen, or nearly: with hundreds of rows that is most of the work.
const rowOf = new WeakMap(); // the node of a row → the row
const watcher = new IntersectionObserver(
  (seen) => {
    for (const { target, isIntersecting } of seen) {
      const row = rowOf.get(target);
      row.near = isIntersecting;
      row.show();
    }
  },
  { rootMargin: "200px" },
);

class Row {
  constructor() {
    this.history = [];
    this.began = []; // whether an episode began before that sample
    this.near = false;
    this.link = element("a");
    this.namespace = element("small");
    this.owner = element("small");
    this.badge = element("span");
    this.reason = element("span");
    this.remark = element("small");
    this.episode = element("small", { class: "episode" });
    this.destination = element("span");
    this.broker = element("small");
    this.lost = element("small", { class: "lost" }, "not connected");
    const svg = drawn("svg");
    svg.setAttribute("viewBox", `0 0 ${SAMPLES} 20`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    this.draw = chart(svg);
    const content = [
      [this.link, this.namespace, this.owner], [this.badge, this.reason, this.remark, this.episode], [], [], [svg], [], [], [], [this.destination, this.broker, this.lost],
    ];
    this.cells = COLUMNS.map(({ title, kind = "name" }, at) =>
      at === 0
        ? element("th", { scope: "row", role: "rowheader", class: kind }, ...content[at])
        : element("td", { role: "cell", class: kind, "data-label": title }, ...content[at]),
    );
    this.node = element("tr", { role: "row" }, ...this.cells);
    rowOf.set(this.node, this);
    watcher.observe(this.node);
  }

  update(each) {
    const before = this.each ?? {};
    this.each = each;
    const began = each.last_episode_time !== null && each.last_episode_time !== before.last_episode_time;
    this.began.push(began && this.history.length > 0);
    this.history.push(each.observed_events_per_second);
    if (this.history.length > SAMPLES) for (const samples of [this.history, this.began]) samples.shift();
    if (before.name === undefined) {
      this.link.href = linkTo(each);
      say(this.link, each.name);
      say(this.namespace, each.namespace);
    }
    if (before.group !== each.group) {
      this.badge.className = `badge ${each.group}`;
      say(this.badge, GROUPS[each.group]);
    }
    if (TOLD_APART.some((field) => before[field] !== each[field])) {
      const words = [`${each.namespace}/${each.name}`, each.group, each.reason, inWords(each.reason), each.destination, each.broker, each.owner ?? ""];
      this.haystack = words.join(" ").toLowerCase();
      say(this.reason, inWords(each.reason));
      say(this.owner, servedBy(each));
    }
    say(this.remark, remark(each));
    say(this.episode, each.open_scenarios.length > 0 ? `Episode under way: ${each.open_scenarios.join(", ")}` : "");
    say(this.destination, each.destination);
    say(this.broker, each.broker);
    this.lost.hidden = each.connected || !["waiting", "failing"].includes(each.group);
    const numbers = [
      [2, "target_events_per_second", rate], [3, "observed_events_per_second", rate],
      [5, "events_published", whole.format], [6, "events_buffered", whole.format], [7, "events_dropped", whole.format],
    ];
    for (const [at, field, format] of numbers) {
      if (before[field] !== each[field]) this.cells[at].textContent = format(each[field]);
    }
    if (before.events_dropped !== each.events_dropped) this.cells[7].classList.toggle("lost", each.events_dropped > 0);
  }

  forget() {
    this.history.length = 0;
    this.began.length = 0;
  }

  show() {
    if (this.near) this.draw(this.history, this.began, this.each.target_events_per_second);
  }
}

// --- the table --------------------------------------------------------------------------------------------------------

const rows = new Map();
const view = { words: [], group: "all", column: 0, ascending: true };

function arrange() {
  const { by } = COLUMNS[view.column];
  const turn = view.ascending ? 1 : -1;
  const keyed = [...rows.values()].map((row) => ({ row, key: by(row.each), name: byName(row.each) }));
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  keyed.sort((a, b) => turn * compare(a.key, b.key) || compare(a.name, b.name));
  const focused = document.activeElement;
  let next = $("rows").firstElementChild;
  let shown = 0;
  for (const { row } of keyed) {
    const fits = (view.group === "all" || row.each.group === view.group) && view.words.every((word) => row.haystack.includes(word));
    if (row.node.hidden === fits) row.node.hidden = !fits;
    shown += fits;
    if (row.node === next) next = next.nextElementSibling;
    else $("rows").insertBefore(row.node, next);
    row.show();
  }
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
  $("generators").hidden = shown === 0;
  $("nothing").hidden = shown > 0;
  if (shown === 0) sayNothing();
  return shown;
}

function sayNothing() {
  if (rows.size > 0) return $("nothing").replaceChildren("No generator matches the filter.");
  return $("nothing").replaceChildren("There are no generators yet. Create one:", element("code", {}, "audit-event-operator sample 01-minimal | kubectl apply -f -"));
}

function sortBy(column) {
  view.ascending = view.column === column ? !view.ascending : COLUMNS[column].kind !== "number";
  view.column = column;
  markSorted();
  arrange();
}

function markSorted() {
  [...$("columns").children].forEach((head, at) => {
    if (at === view.column) head.setAttribute("aria-sort", view.ascending ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
  });
}

function filter() {
  view.words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const [group, { button }] of groups) button.setAttribute("aria-pressed", String(group === view.group));
  announce(`${arrange()} of ${rows.size} generators shown`);
}

// --- totals and news --------------------------------------------------------------------------------------------------

const groups = new Map();
let failingBefore = null;

function sumUp() {
  const sum = { target: 0, observed: 0, published: 0, buffered: 0, held: 0, dropped: 0 };
  const counts = Object.fromEntries(Object.keys(GROUPS).map((group) => [group, 0]));
  for (const { each } of rows.values()) {
    sum.target += each.target_events_per_second;
    sum.observed += each.observed_events_per_second;
    sum.published += each.events_published;
    sum.buffered += each.events_buffered;
    sum.held += each.held_bytes;
    sum.dropped += each.events_dropped;
    counts.all += 1;
    counts[each.group] += 1;
  }
  for (const node of document.querySelectorAll("[data-total]")) {
    const name = node.dataset.total;
    const written = name === "held" ? mebibytes(sum.held) : ["target", "observed"].includes(name) ? rate(sum[name]) : whole.format(sum[name]);
    say(node, written);
    if (name === "dropped") node.classList.toggle("bad", sum.dropped > 0);
  }
  for (const [group, { count }] of groups) say(count, whole.format(counts[group]));
  const said = ["active", "waiting", "failing", "suspended", "completed"].filter((group) => counts[group] > 0);
  const all = `${whole.format(counts.all)} ${counts.all === 1 ? "generator" : "generators"}`;
  say($("summary"), [all, ...said.map((group) => `${whole.format(counts[group])} ${group}`)].join(" · "));
  document.title = counts.failing > 0 ? `${counts.failing} failing – Audit Event Operator` : "Audit Event Operator";
  if (failingBefore !== null && failingBefore !== counts.failing) announce(`${counts.failing} of ${all} failing`);
  failingBefore = counts.failing;
}

function announce(text) {
  say($("news"), text);
}

// --- one generator ----------------------------------------------------------------------------------------------------

const drawDetail = chart($("detail-chart"));
const FACTS = {
  interval_seconds: ["Interval", (value) => `${fine.format(value)} s`],
  target_events_per_second: ["Target", (value) => `${rate(value)} /s`],
  observed_events_per_second: ["Observed, last 30 s", (value) => `${rate(value)} /s`],
  events_generated: ["Generated", whole.format],
  events_published: ["Published", whole.format],
  events_buffered: ["Buffered", whole.format],
  events_in_flight: ["In flight", whole.format],
  held_bytes: ["Memory held", (value) => `${mebibytes(value)} MiB`],
  events_dropped: ["Dropped", whole.format],
  events_retried: ["Retried", whole.format],
  events_skipped: ["Skipped", whole.format],
  destination: ["Destination", String],
  queue: ["Queue", String],
  broker: ["Broker", String],
  connected: ["Connected", (value) => (value ? "yes" : "no")],
  owner: ["Replica", String],
  run_id: ["Run", String],
  run_events_published: ["Published in this run", whole.format],
  start_time: ["Started", (value) => moment.format(new Date(value))],
  completion_time: ["Completed", (value) => moment.format(new Date(value))],
  last_publish_time: ["Last published", (value) => moment.format(new Date(value))],
  generation: ["Generation", String],
};

const SCENARIO_FACTS = {
  episodes: ["Episodes", whole.format],
  missed: ["Missed", whole.format],
  expectedAlerts: ["Expected alerts", whole.format],
  lastTime: ["Last began", (value) => moment.format(new Date(value))],
  open: ["Under way", String],
};

/** Shows what is known of the facts in a description list. */
function describe(list, titles, known) {
  const facts = Object.entries(titles).filter(([field]) => (known[field] ?? null) !== null);
  if (list.children.length !== facts.length) {
    list.replaceChildren(...facts.map(([, [title]]) => element("div", {}, element("dt", {}, title), element("dd"))));
  }
  facts.forEach(([field, [title, words]], at) => {
    const [term, value] = list.children[at].children;
    say(term, title);
    say(value, words(known[field]));
  });
}

function describeScenarios(scenarios) {
  const place = $("detail-scenarios");
  if (place.children.length !== scenarios.length) {
    place.replaceChildren(...scenarios.map(() => element("section", {}, element("h3"), element("dl", { class: "facts" }))));
  }
  scenarios.forEach((scenario, at) => {
    const [title, facts] = place.children[at].children;
    say(title, `Scenario ${scenario.name}`);
    describe(facts, SCENARIO_FACTS, scenario);
  });
}

/** The generator that the address asks for, null when it asks for none. */
function asked() {
  const parts = /^#\/([^/]+)\/([^/]+)$/.exec(location.hash);
  if (!parts) return null;
  try {
    return { namespace: decodeURIComponent(parts[1]), name: decodeURIComponent(parts[2]) };
  } catch {
    return null;
  }
}

async function showDetail() {
  const wanted = asked();
  $("detail").hidden = wanted === null;
  const row = wanted && rows.get(keyOf(wanted));
  for (const each of rows.values()) {
    if (each === row) each.node.setAttribute("aria-current", "true");
    else if (each.node.hasAttribute("aria-current")) each.node.removeAttribute("aria-current");
  }
  if (wanted === null) return;
  say($("detail-name"), `${wanted.namespace}/${wanted.name}`);
  for (const id of ["detail-chart", "detail-facts", "detail-scenarios"]) $(id).toggleAttribute("hidden", !row);
  if (!row) {
    say($("detail-state"), loaded ? "There is no such generator here." : "Loading …");
    delete $("detail-state").dataset.said;
    say($("detail-message"), "");
    return;
  }
  const answer = await fetch(`generators/${encodeURIComponent(wanted.namespace)}/${encodeURIComponent(wanted.name)}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
  const latest = asked();
  if (!answer.ok || latest === null || keyOf(latest) !== keyOf(wanted)) return;
  const each = await answer.json();
  const group = groupOf(each);
  if ($("detail-state").dataset.said !== group + each.reason) {
    $("detail-state").replaceChildren(element("span", { class: `badge ${group}` }, GROUPS[group]), inWords(each.reason));
    $("detail-state").dataset.said = group + each.reason;
  }
  say($("detail-message"), [each.message, each.complete, each.rate_limited, each.truth_undelivered, ...each.warnings].filter((text, at, all) => text && all.indexOf(text) === at).join(" "));
  drawDetail(row.history, row.began, each.target_events_per_second);
  describe($("detail-facts"), FACTS, each);
  describeScenarios(each.scenarios);
}

// --- the beat ---------------------------------------------------------------------------------------------------------

let timer = null;
let busy = false;
let paused = false;
let loaded = false;
let lastAnswer = null;

async function refresh() {
  clearTimeout(timer);
  if (busy || paused || document.hidden) return;
  busy = true;
  try {
    const answer = await fetch(`generators?fields=${FIELDS}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    take(await answer.json());
    await showDetail();
  } catch (error) {
    lose();
  } finally {
    busy = false;
    timer = setTimeout(refresh, EVERY_MS);
  }
}

function take({ fields, rows: told }) {
  if (lastAnswer !== null && Date.now() - lastAnswer > GAP_MS) for (const row of rows.values()) row.forget();
  const gone = new Set(rows.keys());
  for (const values of told) {
    const each = Object.fromEntries(fields.map((field, at) => [field, values[at]]));
    each.group = groupOf(each);
    const key = keyOf(each);
    if (!gone.delete(key)) rows.set(key, new Row());
    rows.get(key).update(each);
  }
  for (const key of gone) {
    watcher.unobserve(rows.get(key).node);
    rows.get(key).node.remove();
    rows.delete(key);
  }
  loaded = true;
  lastAnswer = Date.now();
  arrange();
  sumUp();
  if (!$("trouble").hidden) {
    $("trouble").hidden = true;
    document.body.classList.remove("stale");
    announce("The operator answers again.");
  }
}

function lose() {
  if (!$("trouble").hidden) return;
  const since = lastAnswer === null ? "" : ` Showing the state of ${moment.format(lastAnswer)}.`;
  say($("trouble"), `The operator does not answer; retrying every ${EVERY_MS / 1000} seconds.${since}`);
  $("trouble").hidden = false;
  document.body.classList.add("stale");
  announce("The operator does not answer.");
}

// --- begin ------------------------------------------------------------------------------------------------------------

COLUMNS.forEach(({ title, by, kind = "name" }, at) => {
  const head = element("th", { scope: "col", role: "columnheader", class: kind });
  if (by) {
    const button = element("button", { type: "button" }, title);
    button.addEventListener("click", () => sortBy(at));
    head.append(button);
  } else head.append(element("span", {}, title));
  $("columns").append(head);
});
markSorted();
for (const [group, title] of Object.entries(GROUPS)) {
  const count = element("span");
  const button = element("button", { type: "button", "aria-pressed": String(group === "all") }, `${title} `, count);
  button.addEventListener("click", () => {
    view.group = view.group === group ? "all" : group;
    filter();
  });
  groups.set(group, { button, count });
  $("groups").append(button);
}
$("filter").addEventListener("input", filter);
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  refresh();
});
document.addEventListener("visibilitychange", refresh);
let opened = asked() && keyOf(asked());
addEventListener("hashchange", async () => {
  const wanted = asked();
  const before = opened;
  opened = wanted && keyOf(wanted);
  const done = showDetail().catch(lose);
  if (wanted !== null) {
    $("detail-name").focus({ preventScroll: true });
    await done;
    $("detail").scrollIntoView({ block: "nearest" });
  } else if (before !== null) rows.get(before)?.link.focus();
});
refresh();
