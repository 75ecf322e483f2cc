"use strict";
// The page of a target. Its data is made by pfold.report.target_data, and comes in a script that calls pfoldTarget; in a
// single file it is in window.SINGLE, and the libraries too.

const COLOUR = "#d6336c";
const NO_ROW = 255;
let target, shown = 0;
const views = [];

const unbase64 = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

async function unpack(text) {
  const stream = new Blob([unbase64(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

function loadScript(source) {
  return new Promise((loaded, failed) => {
    const script = element("script", { src: source, onload: loaded });
    script.onerror = () => failed(new Error(`${source} is not there`));
    document.head.append(script);
  });
}

let received;
// Called by the target's data file.
function pfoldTarget(version, folder, resultId, packed) {
  received = packed;
}

async function start() {
  try {
    if (window.SINGLE) {
      byId("back").hidden = true;
      for (const packed of Object.values(SINGLE.libraries)) {
        await loadScript(URL.createObjectURL(new Blob([await unpack(packed)], { type: "text/javascript" })));
      }
      received = SINGLE.data;
    } else {
      const folder = decodeURIComponent(location.hash.slice(1));
      if (!folder) throw new Error("No target is named: open one from the list of all targets.");
      await loadScript(`targets/${encodeURIComponent(folder)}.js`);
    }
    target = JSON.parse(await unpack(received));
    for (const sample of target.samples) sample.pae = unbase64(sample.pae);
    await showTarget();
  } catch (error) {
    byId("title").textContent = "This target can't be shown";
    byId("error").textContent = error.message;
    byId("error").hidden = false;
  }
}

async function showTarget() {
  document.title = `${target.name}: pfold`;
  byId("title").textContent = target.name;
  const settings = target.settings;
  byId("facts").textContent = `${target.model}, ${settings.n_cycle} cycles, ${settings.n_step} steps; ` +
    `${target.tokens.chain.length} tokens, ${target.chains.length} chains, ${target.n_msa} MSA rows; pfold ${target.pfold}`;
  byId("warning").hidden = !target.warning;
  byId("warning").textContent = target.warning;
  byId("content").hidden = false;
  legend(byId("legend"));
  showSamples();
  showPairs();
  showAlignment();
  showDownloads();
  byId("colour").onchange = () => views.forEach((view) => view.colour());
  byId("compare").onchange = compare;
  byId("clear").onclick = () => select([]);
  views.push(new StructureView("view"));
  await show(0);
  document.body.dataset.ready = "target";
}

async function show(number) {
  shown = number;
  document.querySelectorAll(".card").forEach((card, i) => card.classList.toggle("shown", i === number));
  drawPae();
  drawPlddt();
  drawPairs();
  await views[0].show(target.samples[number]);
}

const sampleName = (sample) => `seed ${sample.seed}, sample ${sample.sample}`;

// --- tokens and selections -----------------------------------------------------------------------------------------

const tokenName = (i) => `${target.tokens.chain[i]} ${target.tokens.name[i]} ${target.tokens.number[i]}`;
let chosen = [];

// Select tokens everywhere: in the structures, and as bands in the plots.
function select(tokens, from = null) {
  chosen = tokens;
  for (const view of views) if (view !== from) view.select(tokens);
  const ranges = rangesOf(tokens);
  byId("selection").textContent = tokens.length
    ? `selected: ${ranges.map(([a, b]) => (a === b ? tokenName(a) : `${tokenName(a)} to ${tokenName(b)}`)).join(", ")}`
    : "Drag over the PAE map, or click residues in the structure.";
  document.body.dataset.selected = tokens.length;
  Plotly.relayout("pae", { shapes: [...chainBorders(true), ...bands(ranges, true)] });
  Plotly.relayout("plddt", { shapes: plddtShapes() });
}

// Tokens that follow each other within a chain, as [first, last].
function rangesOf(tokens) {
  const ranges = [];
  for (const token of [...tokens].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && token === last[1] + 1 && target.tokens.chain[token] === target.tokens.chain[last[1]]) last[1] = token;
    else ranges.push([token, token]);
  }
  return ranges;
}

function bands(ranges, square) {
  const band = { type: "rect", fillcolor: COLOUR, opacity: 0.25, line: { width: 0 } };
  return ranges.flatMap(([a, b]) => {
    const upright = { ...band, xref: "x", yref: "paper", x0: a - 0.5, x1: b + 0.5, y0: 0, y1: 1 };
    const across = { ...band, xref: "paper", yref: "y", x0: 0, x1: 1, y0: a - 0.5, y1: b + 0.5 };
    return square ? [upright, across] : [upright];
  });
}

// Numbers of the first tokens of all chains but the first.
function borders() {
  const chain = target.tokens.chain;
  return chain.flatMap((name, i) => (i && name !== chain[i - 1] ? [i] : []));
}

function chainBorders(square) {
  const line = { type: "line", line: { color: "#1f2933", width: 1 } };
  return borders().flatMap((i) => {
    const upright = { ...line, xref: "x", yref: "paper", x0: i - 0.5, x1: i - 0.5, y0: 0, y1: 1 };
    const across = { ...line, xref: "paper", yref: "y", x0: 0, x1: 1, y0: i - 0.5, y1: i - 0.5 };
    return square ? [upright, across] : [upright];
  });
}

// Ticks of axes: names of chains in the middle of each; of a single chain, numbers of residues.
function chainTicks() {
  const { chain, number } = target.tokens;
  const starts = [0, ...borders(), chain.length];
  const array = (tickvals, ticktext) => ({ tickmode: "array", tickvals, ticktext, tickangle: 0 });
  if (starts.length === 2) {
    const step = [1, 5, 10, 20, 50, 100, 200, 500, 1000].find((candidate) => chain.length / candidate <= 10);
    const marked = number.flatMap((value, i) => (value % step === 0 ? [i] : []));
    return array(marked, marked.map((i) => number[i]));
  }
  const middles = starts.slice(0, -1).map((start, i) => (start + starts[i + 1] - 1) / 2);
  return array(middles, starts.slice(0, -1).map((start) => chain[start]));
}

// --- plots ---------------------------------------------------------------------------------------------------------

function drawPae() {
  const n = target.tokens.chain.length, sample = target.samples[shown], step = target.pae_step;
  const z = Array.from({ length: n }, (_, i) => Array.from(sample.pae.subarray(i * n, (i + 1) * n), (value) => value * step));
  const map = { type: "heatmap", z, colorscale: PAE_COLOURS, zmin: 0, zmax: MAX_PAE, hoverinfo: "none", colorbar: { title: { text: "PAE (Å)", side: "right" }, thickness: 12 } };
  // Plotly lets a box be drawn over points only.
  const points = { type: "scatter", mode: "markers", x: [0, n - 1], y: [0, n - 1], marker: { opacity: 0 }, hoverinfo: "skip",
    selected: { marker: { opacity: 0 } }, unselected: { marker: { opacity: 0 } } };
  const layout = plotLayout("scored residue", "aligned residue", { dragmode: "select", height: 480, shapes: [...chainBorders(true), ...bands(rangesOf(chosen), true)] });
  Object.assign(layout.xaxis, { range: [-0.5, n - 0.5], constrain: "domain", ...chainTicks() });
  Object.assign(layout.yaxis, { range: [n - 0.5, -0.5], scaleanchor: "x", constrain: "domain", ...chainTicks() });
  const first = !byId("pae").data;
  Plotly.react("pae", [map, points], layout, PLOT_OPTIONS);
  if (!first) return;
  byId("pae").on("plotly_hover", ({ points: [p] }) => {
    const value = target.samples[shown].pae[p.y * n + p.x] * step;
    byId("pae-hover").textContent = `aligned on ${tokenName(p.y)}, ${tokenName(p.x)} is off by ${value.toFixed(2)} Å`;
  });
  byId("pae").on("plotly_relayout", (change) => {
    const box = change.selections?.at(-1);
    if (!box) return;
    const within = (a, b) => {
      const low = Math.max(0, Math.ceil(Math.min(a, b))), high = Math.min(n - 1, Math.floor(Math.max(a, b)));
      return Array.from({ length: Math.max(0, high - low + 1) }, (_, i) => low + i);
    };
    const tokens = [...new Set([...within(box.x0, box.x1), ...within(box.y0, box.y1)])];
    Plotly.relayout("pae", { selections: [] });
    select(tokens);
  });
}

function plddtShapes() {
  const zones = PLDDT_CLASSES.map(([lowest, fillcolor], i) => ({
    type: "rect", xref: "paper", yref: "y", x0: 0, x1: 1, y0: lowest, y1: i ? PLDDT_CLASSES[i - 1][0] : 100,
    fillcolor, opacity: 0.15, line: { width: 0 }, layer: "below",
  }));
  return [...zones, ...chainBorders(false), ...bands(rangesOf(chosen), false)];
}

function drawPlddt() {
  const traces = target.samples.map((sample, i) => ({
    type: "scatter", mode: "lines", y: sample.plddt, name: sampleName(sample), line: { width: i === shown ? 2.5 : 1, color: i === shown ? "#1f2933" : "#b6c2cf" },
    text: sample.plddt.map((_, token) => tokenName(token)), hovertemplate: "%{text}: %{y}<extra>%{fullData.name}</extra>",
  }));
  // The shown sample lies above the others.
  traces.push(traces.splice(shown, 1)[0]);
  const layout = plotLayout("residue", "pLDDT", { height: 260, shapes: plddtShapes() });
  layout.yaxis.range = [0, 100];
  Object.assign(layout.xaxis, chainTicks());
  Plotly.react("plddt", traces, layout, PLOT_OPTIONS);
}

function showAlignment() {
  const alignment = target.alignment;
  if (!alignment) return;
  byId("alignment-part").hidden = false;
  const n = target.tokens.chain.length, identity = unbase64(alignment.identity), rows = identity.length / n;
  const z = Array.from({ length: rows }, (_, i) => Array.from(identity.subarray(i * n, (i + 1) * n), (v) => (v === NO_ROW ? null : v / 100)));
  const each = alignment.n_row / rows;
  const map = { type: "heatmap", z, y0: each / 2, dy: each, colorscale: "Rainbow", reversescale: true, zmin: 0, zmax: 1,
    hovertemplate: "identity to the query %{z:.2f}<extra></extra>", colorbar: { title: { text: "identity to the query", side: "right" }, thickness: 12 } };
  const coverage = { type: "scatter", mode: "lines", y: alignment.coverage, line: { color: "#000", width: 1.5 },
    text: alignment.coverage.map((_, token) => tokenName(token)), hovertemplate: "%{text}: %{y} rows<extra></extra>" };
  const layout = plotLayout("residue", "MSA rows", { height: 320, shapes: chainBorders(false) });
  Object.assign(layout.xaxis, { range: [-0.5, n - 0.5], ...chainTicks() });
  layout.yaxis.range = [0, alignment.n_row];
  Plotly.newPlot("alignment", [map, coverage], layout, PLOT_OPTIONS);
}

function showPairs() {
  if (target.chains.length < 2) return;
  byId("pairs-part").hidden = false;
  for (const score of Object.keys(target.samples[0].pairs)) byId("pair-score").append(element("option", { textContent: score }));
  if (target.samples[0].pairs.ipsae) byId("pair-score").value = "ipsae";
  byId("pair-score").onchange = drawPairs;
}

function drawPairs() {
  if (target.chains.length < 2) return;
  const score = byId("pair-score").value, distance = score === "pae_min";
  const trace = { type: "heatmap", x: target.chains, y: target.chains, z: target.samples[shown].pairs[score], colorscale: "Blues", reversescale: !distance,
    zmin: 0, zmax: distance ? MAX_PAE : 1, xgap: 2, ygap: 2, texttemplate: target.chains.length <= 20 ? "%{z:.2f}" : "", hovertemplate: "%{y}, %{x}: %{z}<extra></extra>" };
  const size = Math.min(700, 140 + 60 * target.chains.length);
  const layout = plotLayout("scored chain", "aligned chain", { height: size, width: size + 90 });
  layout.xaxis.type = layout.yaxis.type = "category";
  layout.yaxis.autorange = "reversed";
  Plotly.react("pairs", [trace], layout, { ...PLOT_OPTIONS, responsive: false });
}

// --- samples and downloads -----------------------------------------------------------------------------------------

function showSamples() {
  const n = target.tokens.chain.length;
  target.samples.forEach((sample, i) => {
    const canvas = element("canvas", { width: n, height: n });
    const context = canvas.getContext("2d"), image = context.createImageData(n, n);
    sample.pae.forEach((value, at) => image.data.set(paeRgb(value * target.pae_step), 4 * at));
    context.putImageData(image, 0, 0);
    const scores = Object.entries({ "ranking score": sample.scores.ranking_score, pLDDT: sample.scores.plddt, pTM: sample.scores.ptm,
      ipTM: target.chains.length > 1 ? sample.scores.iptm : null, ipSAE: sample.scores.ipsae, disordered: sample.scores.fraction_disordered });
    const lines = scores.filter(([, v]) => v !== null && v !== undefined).map(([name, v]) => element("div", {}, `${name} ${v.toFixed(name === "pLDDT" ? 1 : 3)}`));
    const clash = sample.scores.has_clash ? [element("div", {}, "has clashes")] : [];
    byId("samples").append(element("div", { className: "card", onclick: () => show(i) }, canvas, element("b", {}, sampleName(sample)), ...lines, ...clash));
    byId("compare").append(element("option", { value: i, textContent: sampleName(sample) }));
  });
}

function paeRgb(value) {
  const at = Math.min(1, value / MAX_PAE), next = Math.max(1, PAE_COLOURS.findIndex(([stop]) => stop >= at));
  const [[low, from], [high, to]] = [PAE_COLOURS[next - 1], PAE_COLOURS[next]];
  const channel = (colour, i) => parseInt(colour.slice(1 + 2 * i, 3 + 2 * i), 16);
  return [0, 1, 2].map((i) => channel(from, i) + ((channel(to, i) - channel(from, i)) * (at - low)) / (high - low)).concat(255);
}

async function compare() {
  const value = byId("compare").value;
  byId("compare-part").hidden = value === "";
  if (value === "") return;
  const sample = target.samples[Number(value)];
  byId("compare-title").textContent = `${sampleName(sample)}, superposed`;
  if (views.length === 1) views.push(new StructureView("view-2"));
  await views[1].show(sample);
}

function showDownloads() {
  const save = (name, type, content) => {
    const link = element("a", { href: URL.createObjectURL(new Blob([content()], { type })), download: name });
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const files = [
    ["structure (mmCIF)", "model.cif", "chemical/x-cif", (s) => s.cif],
    ["PAE (JSON)", "pae.json", "application/json", paeJson],
    ["scores (JSON)", "scores.json", "application/json", (s) => JSON.stringify({ ...s.scores, plddt: s.plddt, chains: target.chains, chain_pairs: s.pairs }, null, 1)],
  ];
  for (const [label, end, type, content] of files) {
    const stem = () => `${target.folder}_seed-${target.samples[shown].seed}_sample-${target.samples[shown].sample}`;
    byId("downloads").append(element("button", { textContent: label, onclick: () => save(`${stem()}_${end}`, type, () => content(target.samples[shown])) }));
  }
  byId("downloads").append(element("span", { className: "note" }, "of the sample that is shown"));
}

// As the AlphaFold database gives it.
function paeJson(sample) {
  const n = target.tokens.chain.length, values = Array.from(sample.pae, (value) => value * target.pae_step);
  const rows = Array.from({ length: n }, (_, i) => values.slice(i * n, (i + 1) * n));
  return JSON.stringify([{ predicted_aligned_error: rows, max_predicted_aligned_error: MAX_PAE }]);
}

// --- structures ----------------------------------------------------------------------------------------------------

class StructureView {
  constructor(id) {
    this.viewer = new rcsbMolstar.Viewer(byId(id), {
      showImportControls: false, showSessionControls: false, showStructureSourceControls: false, showMeasurementsControls: false, showStrucmotifSubmitControls: false,
      showSuperpositionControls: false, showValidationReportControls: false, showWelcomeToast: false, layoutShowControls: false, layoutShowSequence: false, layoutShowLog: false,
    });
    this.plugin = this.viewer.plugin;
    this.plugin.selectionMode = true;
    this.viewer.subscribeToSelection("add", (targets) => this.selected(targets));
  }

  async show(sample) {
    await this.viewer.clear();
    await this.viewer.loadStructureFromData(sample.cif, "mmcif", false, { matrix: sample.matrix });
    await this.colour();
    this.select(chosen);
  }

  async colour() {
    const structures = this.plugin.managers.structure.hierarchy.current.structures;
    const parts = structures.flatMap((structure) => structure.components);
    await this.plugin.managers.structure.component.updateRepresentationsTheme(parts, { color: byId("colour").value });
  }

  select(tokens) {
    this.quiet = true;
    this.viewer.clearSelection("select");
    const modelId = this.plugin.managers.structure.hierarchy.current.structures[0].cell.obj.data.units[0].model.id;
    // Mol* knows residues by chain and number, and a molecule that is no polymer by its chain.
    const { chain, number, polymer } = target.tokens;
    const targets = tokens.map((i) => ({ modelId, labelAsymId: chain[i], ...(polymer[i] ? { labelSeqId: number[i] } : {}) }));
    if (targets.length) this.viewer.select(targets, "select", "add");
    this.quiet = false;
  }

  // Of a click in the structure: tokens of the residues that were added.
  selected(targets) {
    if (this.quiet) return;
    const wanted = (list) => (i) => list.some((t) => t.labelAsymId === target.tokens.chain[i] &&
      (!target.tokens.polymer[i] || t.labelSeqId === undefined || t.labelSeqId === target.tokens.number[i]));
    const added = [...target.tokens.chain.keys()].filter(wanted(targets));
    select([...new Set([...chosen, ...added])], this);
  }
}

window.addEventListener("hashchange", () => location.reload());
start();
