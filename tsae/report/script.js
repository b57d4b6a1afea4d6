"use strict";
const plots = [...document.querySelectorAll(".plot")];

// Buttons are named one by one: plotly's own set has one that uploads the data to its makers.
const options = {
  responsive: true,
  displaylogo: false,
  showSendToCloud: false,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
};

// An event that was clicked names where its details are.
function follow(event) {
  const target = event.points.map((point) => point.customdata).find(Boolean);
  if (target) location.hash = target;
}

function draw(plot) {
  if (plot.dataset.drawn) return;
  plot.dataset.drawn = "yes";
  const figure = JSON.parse(document.getElementById(plot.id + "-data").textContent);
  Plotly.newPlot(plot, figure.data, figure.layout, options).then(() => plot.on("plotly_click", follow));
}

const watcher = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target)),
  { rootMargin: "600px" },
);
plots.forEach((plot) => watcher.observe(plot));
window.addEventListener("beforeprint", () => plots.forEach(draw));
