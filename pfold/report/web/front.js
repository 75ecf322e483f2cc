"use strict";
// The front page: DATA is made by pfold.report.front_data.

const COLUMN = Object.fromEntries(DATA.columns.map((name, number) => [name, number]));
const HEADINGS = {
  name: "target", ranking_score: "ranking score", plddt: "pLDDT", ptm: "pTM", iptm: "ipTM", ipsae: "ipSAE",
  best_pair: "best pair", fraction_disordered: "disordered", has_clash: "clash", n_token: "tokens", n_chain: "chains",
  n_msa: "MSA rows", seconds: "time (s)",
};
const DIGITS = { ranking_score: 3, plddt: 1, ptm: 2, iptm: 2, ipsae: 2, fraction_disordered: 2, seconds: 1 };
const targetPage = (folder) => `target.html#${encodeURIComponent(folder)}`;
const column = (name) => DATA.rows.map((row) => row[COLUMN[name]]);

function showHeader() {
  document.title = DATA.title;
  byId("title").textContent = DATA.title;
  for (const [status, count] of Object.entries(DATA.counts)) {
    byId("counts").append(element("span", { className: `badge ${status}`, textContent: `${count} ${status}` }));
  }
  byId("warning").textContent = DATA.warning;
  byId("warning").hidden = !DATA.warning;
  for (const [name, value] of DATA.facts) {
    byId("facts").append(element("dt", { textContent: name }), element("dd", { textContent: value }));
  }
  byId("stages-part").hidden = !DATA.stages.length;
  addRow(byId("stages"), "th", ["stage", "jobs", "time (s)", "longest job (s)", "peak memory (MB)"]);
  for (const s of DATA.stages) addRow(byId("stages"), "td", [s.stage, s.jobs, s.seconds, s.longest, s.mb ?? ""]);
}

function addRow(table, tag, cells) {
  const row = element("tr");
  for (const cell of cells) row.append(element(tag, {}, cell instanceof Node ? cell : String(cell)));
  table.append(row);
}

function cellText(name) {
  return (value, type, row) => {
    if (type !== "display") return value ?? (name in DIGITS ? -Infinity : "");
    if (value === null) return "";
    if (name === "name" && row[COLUMN.status] === "done") {
      return element("a", { href: targetPage(row[COLUMN.folder]), textContent: value });
    }
    if (name === "has_clash") return value ? "yes" : "";
    const text = name in DIGITS ? value.toFixed(DIGITS[name]) : String(value);
    if (name === "plddt") {
      const chip = element("span", { className: "chip" });
      chip.style.background = plddtColour(value);
      return element("span", {}, chip, text);
    }
    return element("span", { textContent: text });
  };
}

async function showTable() {
  const { default: DataTable } = await dataTables;
  const used = (name) => name !== "folder" && column(name).some((value) => value !== null && value !== "");
  const table = new DataTable("#targets", {
    data: DATA.rows,
    columns: DATA.columns.map((name, number) => ({
      title: HEADINGS[name] ?? name, data: number, render: cellText(name), visible: used(name),
      type: name in DIGITS || name.startsWith("n_") ? "num" : "string", orderSequence: ["desc", "asc"],
    })),
    order: [], deferRender: true, autoWidth: false, scrollX: true, pageLength: 25, lengthMenu: [10, 25, 100, 1000],
    language: { search: "search ", emptyTable: "no targets" },
  });
  for (const status of Object.keys(DATA.counts)) byId("filter-status").append(element("option", { textContent: status }));
  const number = (id) => (byId(id).value === "" ? null : Number(byId(id).value));
  const atLeast = (value, bound) => bound === null || (value !== null && value >= bound);
  table.search.fixed("filters", (_, row) =>
    (!byId("filter-status").value || row[COLUMN.status] === byId("filter-status").value) &&
    ["plddt", "iptm", "ipsae"].every((name) => atLeast(row[COLUMN[name]], number(`filter-${name}`))) &&
    atLeast(row[COLUMN.n_token], number("filter-min-token")) &&
    (number("filter-max-token") === null || (row[COLUMN.n_token] !== null && row[COLUMN.n_token] <= number("filter-max-token"))));
  for (const input of document.querySelectorAll(".controls [id^=filter-]")) input.addEventListener("input", () => table.draw());
  document.body.dataset.ready = "table";
}

function drawPlots() {
  drawScreen();
  legend(byId("plddt-legend"));
  histogram("plot-plddt", "plddt", "pLDDT of the best sample", PLDDT_CLASSES);
  histogram("plot-ranking", "ranking_score", "ranking score", null);
  // Of times: name, tokens, measured and predicted seconds. Of memory: batch, bucket, MB.
  const done = DATA.times.filter((row) => row[2] !== null);
  scatter("plot-seconds", done.map((r) => [r[1], r[2], r[0]]), "tokens", "time (s)");
  const planned = done.filter((row) => row[3] !== null);
  scatter("plot-predicted", planned.map((r) => [r[3], r[2], r[0]]), "predicted time (s)", "measured time (s)");
  scatter("plot-memory", DATA.memory.map((r) => [r[1], r[2], `batch ${r[0]}`]), "bucket (tokens)", "peak memory of the job (MB)");
  document.body.dataset.plots = "drawn";
}

function histogram(place, name, title, classes) {
  const values = column(name).filter((value) => value !== null);
  byId(place).hidden = !values.length;
  if (!values.length) return;
  const bins = classes ? { start: 0, end: 100, size: 2 } : undefined;
  const parts = classes
    ? classes.map(([lowest, colour], i) => [values.filter((v) => v >= lowest && (i === 0 || v < classes[i - 1][0])), colour])
    : [[values, "#3e7cb1"]];
  const traces = parts.filter(([x]) => x.length).map(([x, color]) => ({ type: "histogram", x, xbins: bins, autobinx: !bins, marker: { color } }));
  Plotly.newPlot(place, traces, plotLayout(title, "targets", { barmode: "stack", bargap: 0.05 }), PLOT_OPTIONS);
}

function scatter(place, points, x, y) {
  byId(place).hidden = !points.length;
  if (!points.length) return;
  const trace = {
    type: points.length > 2000 ? "scattergl" : "scatter", mode: "markers", x: points.map((p) => p[0]), y: points.map((p) => p[1]),
    text: points.map((p) => p[2]), hovertemplate: "%{text}<br>%{x}, %{y}<extra></extra>", marker: { size: 6, color: "#3e7cb1", opacity: 0.7 },
  };
  Plotly.newPlot(place, [trace], plotLayout(x, y), PLOT_OPTIONS);
}

function drawScreen() {
  const screen = DATA.screen;
  if (!screen) return;
  byId("screen").hidden = false;
  const baits = [...new Set(screen.rows.map((row) => row[0]))];
  const preys = [...new Set(screen.rows.map((row) => row[1]))];
  const found = new Map(screen.rows.map((row) => [`${row[0]}\n${row[1]}`, row]));
  for (const score of screen.scores) byId("screen-score").append(element("option", { textContent: HEADINGS[score] ?? score, value: score }));
  const draw = () => {
    const score = byId("screen-score").value, at = screen.columns.indexOf(score), distance = score === "pae_min";
    const z = baits.map((bait) => preys.map((prey) => found.get(`${bait}\n${prey}`)?.[at] ?? null));
    const trace = {
      type: "heatmap", x: preys, y: baits, z, xgap: 1, ygap: 1, colorscale: "Blues", reversescale: !distance, zmin: 0,
      zmax: distance ? MAX_PAE : 1, hovertemplate: "%{y} and %{x}: %{z}<extra></extra>", colorbar: { title: { text: score } },
    };
    const layout = plotLayout("prey", "bait", { height: Math.max(280, 120 + 18 * baits.length) });
    layout.xaxis.type = layout.yaxis.type = "category";
    layout.yaxis.autorange = "reversed";
    layout.xaxis.automargin = layout.yaxis.automargin = true;
    Plotly.react("screen-matrix", [trace], layout, PLOT_OPTIONS);
    listHits(score, at, distance);
  };
  byId("screen-score").addEventListener("change", draw);
  draw();
  byId("screen-matrix").on("plotly_click", ({ points: [point] }) => {
    const row = found.get(`${point.y}\n${point.x}`);
    if (row) location.href = targetPage(row[2]);
  });
}

function listHits(score, at, ascending) {
  const valued = DATA.screen.rows.filter((row) => row[at] !== null);
  const best = valued.sort((a, b) => (ascending ? a[at] - b[at] : b[at] - a[at])).slice(0, 20);
  byId("hits").replaceChildren();
  addRow(byId("hits"), "th", ["bait", "prey", ...DATA.screen.scores.map((name) => HEADINGS[name] ?? name)]);
  for (const row of best) {
    const link = element("a", { href: targetPage(row[2]), textContent: row[1] });
    addRow(byId("hits"), "td", [row[0], link, ...row.slice(3).map((value) => (value === null ? "" : value.toFixed(3)))]);
  }
}

showHeader();
showTable();
