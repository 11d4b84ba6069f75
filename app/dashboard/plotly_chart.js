// One chart, one node: drawn once, then updated in place. Colours of text follow the page's theme.
const CONFIG = { displayModeBar: false, responsive: true, scrollZoom: false, showTips: false, doubleClick: false };

function plotly() {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  window.btcPlotly ??= new Promise((done, fail) => {
    const script = document.createElement("script");
    script.src = "/plotly/plotly.min.js";
    script.onload = () => done(window.Plotly);
    script.onerror = () => fail(new Error("plotly.min.js cannot be loaded"));
    document.head.append(script);
  });
  return window.btcPlotly;
}

function themed(layout, node) {
  const style = getComputedStyle(node);
  const ink = style.getPropertyValue("--st-text-color").trim() || style.color;
  const paper = style.getPropertyValue("--st-background-color").trim() || "#ffffff";
  return {
    ...layout,
    font: { family: style.fontFamily, size: 12, color: ink },
    hoverlabel: { bgcolor: paper, bordercolor: ink, font: { color: ink } },
  };
}

export default function ({ data, parentElement }) {
  const node = parentElement.querySelector(".b-chart");
  const figure = JSON.parse(data.figure);
  node.style.height = `${figure.layout.height}px`;
  plotly().then((Plotly) => {
    if (node.isConnected) Plotly.react(node, figure.data, themed(figure.layout, node), CONFIG);
  }, (error) => { node.textContent = error.message; });
}
