// The view of the models: how right they are, where they are wrong, what they are.

let modelsView;

async function openModels() {
  await inPlace("problem", async (signal) => {
    const all = await overview();
    if (signal.aborted) return;
    modelsView ??= buildModels(all);
    modelsView.move(all.places.get(shownLine) ?? 0);
  });
}

// Rows by true letter and answer.
function confusion(truth, labels) {
  const counts = Array.from(LETTERS, () => new Array(LETTERS.length).fill(0));
  truth.forEach((label, place) => { counts[label][labels[place]] += 1; });
  return counts;
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

function buildModels(all) {
  const { models, titles, truth, labels } = all;
  const tables = titles.map((title) => confusion(truth, labels[title]));
  const right = tables.map((counts) => sum(counts.map((row, label) => row[label])));
  $("scores").replaceChildren(...titles.map((title, model) => make("p", { class: "score" },
    make("span", { class: "title" }, title),
    make("b", {}, percent(right[model] / truth.length)),
    make("span", { class: "quiet" }, `${whole(right[model])} of ${plural(truth.length, "stored row")} right`))), together(all));
  $("drift").textContent = titles.map((title, model) => weakest(title, tables[model])).join(" ");
  $("confusions").replaceChildren(...titles.map((title, model) => confusionTable(title, tables[model])));
  $("facts").replaceChildren(factsTable(models));
  const paint = () => paintCells($("confusions"));
  paint();
  onTheme(paint);
  return makeStrip($("models-strip"), all, {
    label: "Right and wrong answers, line by line", profile: true, go: goToLine,
    tell: (described) => { $("models-place").textContent = described; },
  });
}

function together({ titles: [one, other], truth, labels }) {
  const places = truth.map((_, place) => place);
  const agree = places.filter((place) => labels[one][place] === labels[other][place]);
  const right = agree.filter((place) => labels[one][place] === truth[place]).length;
  return make("p", { class: "score" },
    make("span", { class: "title" }, "Where both agree"),
    make("b", {}, agree.length ? percent(right / agree.length) : "–"),
    make("span", { class: "quiet" }, `${whole(right)} of ${plural(agree.length, "row")} right`));
}

function weakest(title, counts) {
  const recalls = counts.map((row, label) => ({ label, share: row[label] / sum(row), rows: sum(row) })).filter(({ rows }) => rows);
  recalls.sort((one, other) => one.share - other.share);
  const named = recalls.slice(0, 3).map(({ label, share }) => `${LETTERS[label]} (${Math.round(100 * share)}\u00a0%)`);
  return `${title} recognises ${named.slice(0, -1).join(", ")} and ${named.at(-1)} least.`;
}

function confusionTable(title, counts) {
  const readout = make("p", { class: "quiet readout" }, likeliestConfusions(counts));
  const rows = counts.map((row, label) => {
    const total = sum(row);
    const cells = row.map((count, said) => make("td", { "data-share": total ? count / total : 0, "data-cell": `${LETTERS[label]}, answered ${LETTERS[said]}: ${count} of ${total}`, class: label === said ? "same" : undefined }, count || ""));
    const recall = total ? `${Math.round((100 * row[label]) / total)}\u00a0%` : "–";
    return make("tr", {}, make("th", { scope: "row" }, LETTERS[label]), ...cells,
      make("td", { class: "recall", "--share": total ? row[label] / total : 0 }, make("span", {}, recall)));
  });
  const table = make("table", { class: "confusion" },
    make("caption", {}, title),
    make("thead", {}, make("tr", {}, make("td"), ...[...LETTERS].map((letter) => make("th", { scope: "col" }, letter)), make("th", { scope: "col", class: "recall" }, "Recall"))),
    make("tbody", {}, ...rows));
  table.addEventListener("pointerover", ({ target }) => {
    readout.textContent = target.dataset.cell ?? likeliestConfusions(counts);
  });
  table.addEventListener("pointerleave", () => { readout.textContent = likeliestConfusions(counts); });
  return make("div", {}, table, readout, confusionList(title, counts));
}

function pairs(counts) {
  return counts.flatMap((row, label) => row.map((count, said) => ({ label, said, count })))
    .filter(({ label, said, count }) => label !== said && count > 0)
    .sort((one, other) => other.count - one.count);
}

function likeliestConfusions(counts) {
  const worst = pairs(counts).slice(0, 3).map(({ label, said, count }) => `${LETTERS[label]} for ${LETTERS[said]} (${count})`);
  return worst.length ? `Most often mistaken: ${worst.join(", ")}.` : "Nothing is mistaken.";
}

function confusionList(title, counts) {
  const items = counts.map((row, label) => {
    const others = pairs(counts).filter((pair) => pair.label === label).map(({ said, count }) => `${LETTERS[said]} ${count}`);
    return make("tr", {}, make("th", { scope: "row" }, LETTERS[label]), make("td", { class: "number" }, `${row[label]} of ${sum(row)}`), make("td", {}, others.join(", ") || "–"));
  });
  return make("details", {}, make("summary", {}, `${title}, as a list`),
    make("table", { class: "plain" }, make("thead", {}, make("tr", {}, ...["Letter", "Right", "Mistaken for"].map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, ...items)));
}

// Between paper and a colour by share; black or white on it, whichever can be read.
function paintCells(root) {
  const [paper, right, wrong] = ["--paper", "--accent", "--wrong"].map(colour);
  const light = (part) => (part <= 10 ? part / 3294 : ((part / 255 + 0.055) / 1.055) ** 2.4);
  for (const cell of root.querySelectorAll("td[data-share]")) {
    const share = Math.sqrt(Number(cell.dataset.share));
    const shade = (cell.classList.contains("same") ? right : wrong).map((part, at) => Math.round(paper[at] + (part - paper[at]) * share));
    const luminance = 0.2126 * light(shade[0]) + 0.7152 * light(shade[1]) + 0.0722 * light(shade[2]);
    cell.style.backgroundColor = share ? `rgb(${shade})` : "";
    cell.style.color = luminance > 0.179 ? "#000" : "#fff";
  }
}

function factsTable(models) {
  const recording = (facts) => (facts ? [`${plural(facts.rows, "row")}, SHA-256 `, make("code", {}, facts.sha256)] : undefined);
  const share = (value) => (value === undefined ? undefined : [percent(value)]);
  const facts = [
    ["Version", ({ name, version }) => [make("code", {}, `${name}:${version}`)]],
    ["Trained on", ({ training }) => recording(training)],
    ["Tested on", ({ test }) => recording(test)],
    ["Accuracy in that test", ({ accuracy }) => share(accuracy?.test)],
    ["Estimate from training alone", ({ accuracy }) => share(accuracy?.blocked)],
    ["Letters", ({ classes }) => (classes ? [classes.length === LETTERS.length ? "all 26" : classes.map((label) => LETTERS[label]).join(" ")] : undefined)],
    ["Preprocessing", ({ preprocessing }) => (preprocessing === undefined ? undefined : [String(preprocessing)])],
    ["Temperature", ({ temperature }) => (temperature === undefined ? undefined : [power(temperature)])],
    ["Trained with", ({ versions }) => (versions ? [Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ")] : undefined)],
  ];
  const rows = facts.map(([name, tell]) => [name, models.map(tell)]).filter(([, cells]) => cells.some((cell) => cell !== undefined));
  return make("table", { class: "plain" },
    make("thead", {}, make("tr", {}, make("td"), ...models.map(({ title }) => make("th", { scope: "col" }, title)))),
    make("tbody", {}, ...rows.map(([name, cells]) => make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((cell) => make("td", {}, ...(cell ?? ["–"])))))));
}
