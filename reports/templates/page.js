(() => {
  "use strict";
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const looks = read("looks");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const look = () => (dark.matches ? looks.dark : looks.light);
  const drawings = [...document.querySelectorAll("[data-spec]")];
  const settings = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"] };
  const draw = (drawing) => {
    const spec = read(drawing.dataset.spec);
    return Plotly.newPlot(drawing, spec.data, { ...spec.layout, template: look() }, settings);
  };
  Promise.all(drawings.map(draw)).then(() => { document.body.dataset.drawn = "yes"; });
  dark.addEventListener("change", () => {
    for (const drawing of drawings) Plotly.relayout(drawing, { template: look() });
  });
})();
