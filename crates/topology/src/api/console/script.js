"use strict";
const POLL = 2000, PATIENCE = 5000, COLOURS = 7, KEY = "landfall.token";
const MINUTE = 60000, HOUR = 60 * MINUTE, MINUTES = 60;
const at = id => document.getElementById(id);
const sum = numbers => numbers.reduce((a, b) => a + b, 0);

// Text is only ever set as text: what senders write is never markup.
function make(name, attributes = {}, ...children) {
  const namespace = /^(svg|rect|title)$/.test(name) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
  const element = document.createElementNS(namespace, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// What has not changed is left alone, so that a reader's place, focus and selection stay.
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
const say = (id, text) => set(at(id), text);
const shown = new Map();
function show(id, data, render) {
  const text = JSON.stringify(data);
  if (shown.get(id) === text) return;
  shown.set(id, text);
  at(id).replaceChildren(...render(data));
}
function fill(id, rows) {
  const body = at(id);
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((cells, index) => {
    const row = body.rows[index] || body.insertRow();
    while (row.cells.length > cells.length) row.deleteCell(-1);
    cells.forEach(([text, style = ""], column) => {
      const cell = row.cells[column] || row.appendChild(column ? make("td") : make("th", { scope: "row" }));
      set(cell, text);
      cell.className = style;
    });
  });
}
function arrange(id, rows, build) {
  const list = at(id), keys = rows.map(row => JSON.stringify(row)), wanted = new Set(keys);
  for (const item of [...list.children]) if (!wanted.has(item.key)) item.remove();
  let place = list.firstElementChild;
  rows.forEach((row, index) => {
    if (place?.key === keys[index]) place = place.nextElementSibling;
    else list.insertBefore(Object.assign(build(row), { key: keys[index] }), place);
  });
  while (place) { const next = place.nextElementSibling; place.remove(); place = next; }
}

const number = value => value.toLocaleString("en");
function bytes(value) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit++; }
  return `${unit && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}
function span(seconds) {
  if (seconds < 0.001) return "1 ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
function clock(millis) {
  const date = new Date(millis), day = { day: "numeric", month: "short" };
  const before = date.toDateString() === new Date().toDateString() ? "" : `${date.toLocaleDateString("en-GB", day)} `;
  return make("time", { datetime: date.toISOString() }, before + date.toLocaleTimeString("en-GB"));
}

async function ask(path) {
  const token = sessionStorage.getItem(KEY);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (answer.ok) return answer;
  const refusal = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(refusal.message || `the service answered ${answer.status}`), { status: answer.status });
}

function judge(level, verdict, reasons) {
  at("state").className = level;
  say("verdict", verdict);
  document.title = `${verdict} · Landfall`;
  show("reasons", reasons, list => list.map(reason => make("li", {}, reason)));
}

// What Prometheus is told, for each component.
function counters(text) {
  const counts = {};
  for (const line of text.split("\n")) {
    const found = /^component_(received|sent)_events_total\{(.*)\} (\S+)$/.exec(line);
    const id = found && /component_id="([^"]*)"/.exec(found[2]);
    if (id) {
      const count = (counts[id[1]] ??= { received: 0, sent: 0 });
      count[found[1]] += Number(found[3]);
    }
  }
  return counts;
}

function render(status, activity, counts) {
  const { now, components } = status;
  const of = kind => components.filter(component => component.component_kind === kind).map(component => component.component_id);
  const sources = of("source"), sinks = of("sink");
  const minutes = id => (activity[id]?.minutes || []).filter(minute => minute.at > now - HOUR);
  const inSources = sources.flatMap(minutes);
  const answered = sum(inSources.map(minute => minute.answered));
  const refused = sum(inSources.map(minute => minute.refused));
  const hasRefused = sources.some(id => activity[id]?.refusals.length);

  const level = !status.ready ? "bad" : status.warnings.length ? "warn" : "good";
  const verdict = !status.ready ? "Events are not accepted" : status.warnings.length ? "Events are accepted, but see to this" : "Events are accepted";
  judge(level, verdict, [...status.reasons, ...status.warnings]);
  say("about", `${status.version} on ${location.host}`);
  say("hint", answered || hasRefused ? "" : "Nothing has come in the last hour. What Appcues sends shows below within seconds, also what is refused and why; if nothing shows, check that the URL in the webhook reaches this machine.");

  const seen = id => sum(minutes(id).flatMap(minute => Object.values(minute.events)));
  const sink = choose(sinks.filter(id => activity[id]?.events.length), seen);
  const tally = count(now, minutes(sink), before(sink, components).flatMap(minutes));
  figures(status, answered, refused, inSources, sinks.flatMap(minutes));
  chart(tally);
  deliveries(activity, sources, sink, status.tap, tally.unseen);
  files(now, activity, sinks);
  fill("components", components.map(({ component_id: id, component_kind: kind, component_type: type, problem }) => {
    const told = key => (counts[id] ? number(counts[id][key]) : "–");
    const state = problem ? [problem, "refused"] : ["works", "accepted"];
    return [[id], state, [told("received"), "count"], [told("sent"), "count"], [kind], [type]];
  }));
}

// Where several sinks look into events, one of them is shown: at first that which has seen the most.
let chosen = null;
function choose(looking, seen) {
  const most = [...looking].sort((a, b) => seen(b) - seen(a))[0];
  const sink = looking.includes(chosen) ? chosen : most;
  at("choice").hidden = looking.length < 2;
  show("sink", looking, ids => ids.map(id => make("option", {}, id)));
  if (sink && at("sink").value !== sink) at("sink").value = sink;
  return sink;
}

// The sources whose events come to `sink`, all of them where no sink looks into events.
function before(sink, components) {
  const by = Object.fromEntries(components.map(component => [component.component_id, component]));
  const found = new Set(sink ? [sink] : Object.keys(by));
  for (const id of found) for (const input of by[id]?.inputs || []) found.add(input);
  return [...found].filter(id => by[id]?.component_kind === "source");
}

function figures(status, answered, refused, inSources, inSinks) {
  const recent = inSources.filter(minute => minute.answered).sort((a, b) => a.at - b.at).pop();
  const backlogs = status.components.map(component => component.backlog).filter(Boolean);
  const oldest = backlogs.map(backlog => backlog.oldest_at).filter(at => at !== null);
  const lag = oldest.length ? span(Math.max(0, status.now - Math.min(...oldest)) / 1000) : "nothing waits";
  const unlanded = sum(backlogs.map(backlog => backlog.unlanded_bytes || 0));
  const room = sum(backlogs.map(backlog => backlog.max_bytes || 0));
  const quarantined = sum(inSinks.map(minute => minute.quarantined));
  const figures = [
    [number(answered), "in the last hour"],
    [number(refused), "in the last hour"],
    [recent ? `≤ ${span(recent.answer_seconds_p50)}` : "–", recent ? `99 of 100 within ${span(recent.answer_seconds_p99)}` : "no request yet"],
    [lag, "age of the oldest event to land"],
    [`${number(sum(backlogs.map(backlog => backlog.events || 0)))} events`, `${bytes(unlanded)}${room ? ` of ${bytes(room)}` : ""}`],
    [number(quarantined), quarantined ? "no events, kept under quarantine/" : "in the last hour"],
  ];
  at("figures").querySelectorAll("dd").forEach(({ children: [value, more] }, index) => {
    set(value, figures[index][0]);
    set(more, figures[index][1]);
  });
}

// The events of each minute, by those types of which there are most.
function count(now, minutes, inSources) {
  const first = Math.floor(now / MINUTE) - MINUTES + 1;
  const totals = {};
  for (const minute of minutes) for (const [type, count] of Object.entries(minute.events)) totals[type] = (totals[type] || 0) + count;
  const byCount = Object.keys(totals).sort((a, b) => totals[b] - totals[a] || (a < b ? -1 : 1));
  const types = byCount.slice(0, byCount.length > COLOURS ? COLOURS - 1 : COLOURS);
  const others = byCount.slice(types.length);
  const columns = Array.from({ length: MINUTES }, (_, index) => {
    const of = minute => Math.floor(minute.at / MINUTE) === first + index;
    const events = minutes.find(of)?.events || {};
    const values = [...types.map(type => events[type] || 0), sum(others.map(type => events[type] || 0))];
    const received = sum(inSources.filter(of).map(minute => minute.received));
    return { at: (first + index) * MINUTE, values: [...values, Math.max(0, received - sum(values))] };
  });
  const series = [...types, "other types", "not looked into"].map((name, index) => {
    const colour = `c${index < types.length ? index : index - types.length + 6}`;
    return { name, index, colour, total: sum(columns.map(column => column.values[index])) };
  });
  const most = Math.max(1, ...columns.map(column => sum(column.values)));
  return { columns, most, unseen: series.at(-1).total, series: series.filter(({ total }) => total) };
}

function chart({ columns, most, series }) {
  show("chart", { columns, series }, () => columns.flatMap(({ values }, x) => {
    let y = 100;
    return series.filter(({ index }) => values[index]).map(({ name, index, colour }) => {
      const height = values[index] / most * 100;
      y -= height;
      return make("rect", { class: colour, x: x + 0.05, y, width: 0.9, height }, make("title", {}, `${name}: ${number(values[index])}`));
    });
  }));
  const whole = sum(series.map(({ total }) => total));
  say("most", `${number(most)} a minute`);
  say("chart-words", whole ? `${number(whole)} events in the last hour, at most ${number(most)} in a minute.` : "No events in the last hour.");
  show("legend", series, series => series.map(({ name, colour, total }) =>
    make("li", {}, make("svg", { viewBox: "0 0 1 1", "aria-hidden": "true" }, make("rect", { class: colour, width: 1, height: 1 })), `${name} ${number(total)}`)));
  show("types", series.map(({ name }) => name), names =>
    [make("th", { scope: "col" }, "Minute"), ...names.map(name => make("th", { scope: "col", class: "count" }, name))]);
  fill("counts", columns.filter(({ values }) => sum(values)).reverse().map(({ at, values }) =>
    [[clock(at).textContent], ...series.map(({ index }) => [number(values[index]), "count"])]));
}

// Each refusal stands where it came; those of a kind with nothing between them are one row.
function deliveries(activity, sources, sink, opens, unseen) {
  const events = (activity[sink]?.events || []).map(event => ({
    at: event.at, fate: event.fate, what: event.event_type, whose: event.account_id && `account ${event.account_id}`, why: event.reason && `${event.reason}; it is kept under quarantine/`,
    event: opens ? { component: sink, number: event.number } : undefined,
  }));
  const refusals = sources.flatMap(id => (activity[id]?.refusals || []).flatMap(({ code, why, count, last }) => last.map(({ at, peer }, index) => (
    { at, fate: "refused", what: code, whose: peer && `from ${peer}`, by: sources.length > 1 ? `by ${id}` : "", why, times: 1, ever: index ? 0 : count }))));
  const rows = [];
  for (const row of [...refusals, ...events].sort((a, b) => b.at - a.at)) {
    const above = rows.at(-1);
    if (row.times && above?.times && above.what === row.what && above.by === row.by) above.times++;
    else rows.push(row);
  }
  const list = at("deliveries");
  const isOpen = list.querySelector("[open]") !== null;
  const isHeld = isOpen || (at("hold").getAttribute("aria-pressed") === "true" && list.children.length > 0);
  at("values").hidden = !opens;
  say("deliveries-note", [
    rows.length ? "Newest first; at most 20 accepted ones of each second." : "None yet.",
    unseen ? `${number(unseen)} accepted events of the last hour have not been looked into: the sink has not come to them, or a transform has left them out.` : "",
    opens ? "Open a row to see which fields are in it." : "The configuration lets nobody look into events here (api.tap).",
    isOpen ? "The list stands still while a row is open." : isHeld ? "The list is held." : "",
  ].filter(Boolean).join(" "));
  if (!isHeld) arrange("deliveries", rows, delivery);
}

function delivery(row) {
  const times = row.ever > 1 ? `${number(row.ever)} since the start` : row.times > 1 ? `${row.times} times` : "";
  const more = [row.whose, row.by, times].filter(Boolean).map(text => make("span", { class: "number" }, text));
  const parts = [clock(row.at), make("span", { class: "mark" }, row.fate), make("span", {}, row.what), ...more];
  const line = parts.flatMap(part => [part, " "]);
  const why = row.why ? [make("p", {}, row.why)] : [];
  if (!row.event) return make("li", { class: row.fate }, make("div", { class: "line" }, ...line), ...why);
  const body = make("pre");
  const details = make("details", {}, make("summary", { class: "line" }, ...line), body);
  details.addEventListener("toggle", () => look(row.event, details, body));
  details.look = () => look(row.event, details, body);
  return make("li", { class: row.fate }, details, ...why);
}

// Values come from the service only once they are asked for.
async function look(event, details, body) {
  const wanted = () => details.open && at("values").getAttribute("aria-pressed");
  const values = wanted();
  set(body, details.open ? "Asking the service …" : "");
  if (!values) return;
  let text;
  try {
    const answer = await (await ask(`/api/v1/event?${new URLSearchParams({ ...event, values })}`)).json();
    text = "event" in answer ? JSON.stringify(answer.event, null, 2) : answer.body;
  } catch (error) {
    text = `It cannot be shown: ${error.message}`;
  }
  if (values === wanted()) set(body, text);
}

function files(now, activity, sinks) {
  const rows = sinks.flatMap(sink => (activity[sink]?.files || []).map(file => ({ ...file, sink: sinks.length > 1 ? sink : "" })));
  rows.sort((a, b) => b.at - a.at);
  say("files-note", rows.length ? `The last ${span((now - rows[0].at) / 1000)} ago.` : "None since the start.");
  arrange("files", rows, file => make("li", {}, make("div", { class: "line" }, clock(file.at), " ", make("span", { class: "number" }, file.sink)), make("div", {}, file.name),
    make("div", { class: "number" }, `${number(file.rows)} ${file.rows === 1 ? "row" : "rows"}, ${bytes(file.bytes)}`)));
}

let lost = null;
async function poll() {
  try {
    const [status, activity, metrics] = await Promise.all(["/api/v1/status", "/api/v1/activity", "/metrics"].map(path => ask(path)));
    render(await status.json(), await activity.json(), counters(await metrics.text()));
    lost = null;
    at("ask").hidden = true;
  } catch (error) {
    if (error.status === 401) {
      judge("warn", "A token is needed", sessionStorage.getItem(KEY) ? ["The token is not the one of the configuration."] : []);
      if (at("ask").hidden) { at("ask").hidden = false; at("token").focus(); }
    } else if (error.status) {
      judge("bad", "The service does not show itself here", [error.message]);
    } else {
      lost ??= new Date().toLocaleTimeString("en-GB");
      judge("bad", "The service does not answer", [`since ${lost}; what stands below is from before. It is asked again until it does.`]);
    }
  }
  // Only now, so that a slow service is not asked the more for it.
  setTimeout(poll, POLL);
}

for (const id of ["hold", "values"]) {
  at(id).addEventListener("click", () => at(id).setAttribute("aria-pressed", at(id).getAttribute("aria-pressed") === "false"));
}
at("values").addEventListener("click", () => at("deliveries").querySelectorAll("[open]").forEach(details => details.look()));
at("sink").addEventListener("change", () => {
  chosen = at("sink").value;
  at("deliveries").replaceChildren();
});
at("ask").addEventListener("submit", event => {
  event.preventDefault();
  sessionStorage.setItem(KEY, at("token").value);
  at("token").value = "";
});
poll();
