"use strict";
// Colours and small helpers that both kinds of pages share.

// The AlphaFold Protein Structure Database's confidence classes: lowest pLDDT, colour, words.
const PLDDT_CLASSES = [
  [90, "#0053d6", "very high (90 and above)"],
  [70, "#65cbf3", "confident (70 to 90)"],
  [50, "#ffdb13", "low (50 to 70)"],
  [0, "#ff7d45", "very low (below 50)"],
];
// PAE as the AlphaFold database shows it: dark green is certain.
const PAE_COLOURS = [[0, "#00441b"], [0.25, "#2a924a"], [0.5, "#74c476"], [0.75, "#c7e9c0"], [1, "#ffffff"]];
// The middle of the last bin of the PAE head, Å.
const MAX_PAE = 31.75;
const PLOT_OPTIONS = { responsive: true, displaylogo: false, showSendToCloud: false, plotGlPixelRatio: 1 };

const plddtColour = (value) => PLDDT_CLASSES.find(([lowest]) => value >= lowest)[1];
const byId = (id) => document.getElementById(id);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function plotLayout(x, y, more = {}) {
  return {
    margin: { l: 60, r: 20, t: 30, b: 45 }, font: { family: "system-ui, sans-serif", size: 12 },
    xaxis: { title: { text: x } }, yaxis: { title: { text: y } }, showlegend: false, ...more,
  };
}

function legend(place) {
  for (const [, colour, words] of PLDDT_CLASSES) {
    const chip = element("span", { className: "chip" });
    chip.style.background = colour;
    place.append(chip, words);
  }
}
