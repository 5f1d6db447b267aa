"""What the explorer's page does in a browser: filters, the table, and handing data to the charts."""

SCRIPT = r""""use strict";
const page = JSON.parse(document.getElementById("page-data").textContent);
const controls = document.getElementById("controls");
const dark = matchMedia("(prefers-color-scheme: dark)");
const views = {};

// Rows from columns: each has its different values, and for each row which of them it is.
function unpacked(columns) {
  const names = Object.keys(columns);
  const count = names.length ? columns[names[0]].rows.length : 0;
  return Array.from({length: count}, (_, i) =>
    Object.fromEntries(names.map(name => [name, columns[name].values[columns[name].rows[i]]])));
}

const measurements = unpacked(page.measurements);
const curves = unpacked(page.curves);

function chosen(rows) {
  const wanted = page.filters.map(key => [key, controls.elements[key].value]).filter(([, value]) => value);
  return rows.filter(row => wanted.every(([key, value]) => !(key in row) || row[key] === value));
}

function count(number, thing) {
  return `${number.toLocaleString("en")} ${thing}${number === 1 ? "" : "s"}`;
}

function describe(rows) {
  const drawn = rows.filter(row => row.y > 0).length;
  const diverged = rows.filter(row => row.diverged).length;
  const nothing = rows.length - drawn - diverged;
  const left = [nothing && `${nothing} learned no bits`, diverged && `${diverged} diverged`].filter(Boolean);
  const rest = left.length ? `; not on the logarithmic axes: ${left.join(", ")}` : "";
  return `${drawn.toLocaleString("en")} of ${count(measurements.length, "measurement")} drawn${rest}.`;
}

function tabulate(rows) {
  const body = document.getElementById("rows");
  body.replaceChildren(...rows.slice(0, page.most_rows).map(row => {
    const line = document.createElement("tr");
    for (const {key, number, heads} of page.columns) {
      const cell = document.createElement(heads ? "th" : "td");
      if (heads) cell.scope = "row";
      if (number) cell.className = "number";
      cell.textContent = key === "limited" && row.diverged ? `diverged: ${row.diverged}` : row[key];
      line.append(cell);
    }
    return line;
  }));
  const shown = body.children.length;
  document.getElementById("table-status").textContent = shown < rows.length
    ? `The first ${shown} of ${count(rows.length, "measurement")} chosen above.`
    : `${count(rows.length, "measurement")} chosen above.`;
}

function update() {
  const rows = chosen(measurements);
  document.getElementById("status").textContent = describe(rows);
  tabulate(rows);
  const colour = controls.elements.colour_by.value;
  for (const [name, view] of Object.entries(views)) {
    view.signal("colour_by", colour).data(name, name === "curves" ? chosen(curves) : rows).runAsync();
  }
}

async function draw(name, place) {
  if (!document.getElementById(place)) return;
  const style = getComputedStyle(document.body);
  const [ink, font] = [style.color, style.fontFamily];
  const axis = {labelColor: ink, titleColor: ink, domainColor: "gray", tickColor: "gray", labelFontSize: 12,
    titleFontSize: 13, titleFontWeight: "normal"};
  const config = {font, axis, legend: {labelColor: ink, labelFontSize: 12, labelLimit: 220}};
  const data = {[name]: chosen(name === "curves" ? curves : measurements)};
  const spec = {...page.charts[name], datasets: {...page.charts[name].datasets, ...data}};
  spec.params = spec.params.map(param =>
    param.name === "colour_by" ? {...param, value: controls.elements.colour_by.value} : param);
  views[name]?.finalize();
  const made = await vegaEmbed(`#${place}`, spec, {
    renderer: "canvas", config, actions: {export: true, source: false, compiled: false, editor: false},
    downloadFileName: name, tooltip: {theme: dark.matches ? "dark" : "light"},
  });
  views[name] = made.view;
}

async function start() {
  await draw("measurements", "capacity");
  await draw("curves", "training");
  document.body.dataset.ready = "yes";
}

controls.addEventListener("change", update);
controls.addEventListener("reset", () => setTimeout(update));
controls.addEventListener("submit", event => event.preventDefault());
dark.addEventListener("change", start);
const rows = chosen(measurements);
document.getElementById("status").textContent = describe(rows);
tabulate(rows);
start();
"""
