// Which classes a model takes for which.

// Of more classes than this, a list of pairs in place of a matrix.
const MOST_CELLS = 100;
const MOST_PAIRS = 40;

// Of each true class its rows and the answers to them; of many classes most pairs have none.
function confusion(truth, said) {
  const answers = new Map();
  truth.forEach((label, place) => {
    if (!answers.has(label)) answers.set(label, new Map());
    const counts = answers.get(label);
    counts.set(said[place], (counts.get(said[place]) ?? 0) + 1);
  });
  const classes = SHOWN.filter((label) => answers.has(label)).map((label) => {
    const counts = answers.get(label);
    return { label, counts, right: counts.get(label) ?? 0, rows: sum([...counts.values()]) };
  });
  const pairs = classes.flatMap(({ label, counts, rows }) => [...counts].filter(([other]) => other !== label).map(([other, count]) => ({ label, said: other, count, rows })));
  // Of pairs mistaken as often, the first classes first.
  pairs.sort((one, other) => other.count - one.count || one.label - other.label || one.said - other.said);
  return { classes, pairs, byLabel: new Map(classes.map((found) => [found.label, found])), right: sum(classes.map(({ right }) => right)) };
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

function confusions(title, found) {
  if (SHOWN.length > MOST_CELLS) return make("div", {}, worstPairs(title, found), confusionList(title, found));
  const readout = make("p", { class: "quiet readout" }, likeliestConfusions(found));
  const table = confusionTable(title, found);
  table.addEventListener("pointerover", ({ target }) => {
    readout.textContent = target.dataset.cell ?? likeliestConfusions(found);
  });
  table.addEventListener("pointerleave", () => { readout.textContent = likeliestConfusions(found); });
  const scrolls = SHOWN.length > 26 ? { tabindex: 0, role: "region", "aria-label": `${title}, true ${SERVED.noun} and answer` } : {};
  return make("div", {}, make("div", { class: "matrix", ...scrolls }, table), readout, confusionList(title, found));
}

function confusionTable(title, { byLabel }) {
  const heading = (scope) => (label) => make("th", { scope, title: NAMES[label].length > 1 && NAMES[label] }, make("span", {}, SHORT[label]));
  const rows = SHOWN.map((label) => {
    const { counts, right, rows: total } = byLabel.get(label) ?? { counts: new Map(), right: 0, rows: 0 };
    const cells = SHOWN.map((said) => {
      const count = counts.get(said) ?? 0;
      return make("td", { "data-share": total ? count / total : 0, "data-cell": `${NAMES[label]}, answered ${NAMES[said]}: ${count} of ${total}`, class: label === said ? "same" : undefined }, count || "");
    });
    const recall = total ? `${Math.round((100 * right) / total)}\u00a0%` : "–";
    return make("tr", {}, heading("row")(label), ...cells,
      make("td", { class: "recall", "--share": total ? right / total : 0 }, make("span", {}, recall)));
  });
  // Names of more than a sign stand upright where columns are narrow, and need room beside the rows.
  const size = SHOWN.length > 40 ? " dense" : SHOWN.length > 26 ? " many" : SHOWN.length <= 8 ? " roomy" : "";
  const turned = LONGEST > 1 && Math.min(LONGEST, 10) * SHOWN.length > 50 ? " turned" : "";
  return make("table", { class: `confusion${size}${turned}`, "--columns": SHOWN.length, "--signs": Math.min(LONGEST, 16) },
    make("caption", {}, title),
    make("thead", {}, make("tr", {}, make("td"), ...SHOWN.map(heading("col")), make("th", { scope: "col", class: "recall" }, "Recall"))),
    make("tbody", {}, ...rows));
}

function worstPairs(title, { pairs }) {
  const lines = pairs.slice(0, MOST_PAIRS).map(({ label, said, count, rows }) => make("tr", {},
    make("td", {}, NAMES[label]), make("td", {}, NAMES[said]), make("td", { class: "number" }, `${whole(count)} of ${whole(rows)}`)));
  const caption = pairs.length > MOST_PAIRS ? `${title}, the first ${MOST_PAIRS} of ${whole(pairs.length)} pairs` : title;
  if (!lines.length) return make("p", {}, `${title}: nothing is mistaken.`);
  return make("div", { class: "bars", tabindex: 0, role: "region", "aria-label": `${title}, worst confusions` }, make("table", { class: "plain worst" }, make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...["True", "Answered", "Rows"].map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, ...lines)));
}

function likeliestConfusions({ pairs }) {
  const worst = pairs.slice(0, 3).map(({ label, said, count }) => `${SHORT[label]} for ${SHORT[said]} (${count})`);
  return worst.length ? `Most often mistaken: ${worst.join(", ")}.` : "Nothing is mistaken.";
}

function confusionList(title, { classes, pairs }) {
  const others = new Map(classes.map(({ label }) => [label, []]));
  for (const { label, said, count } of pairs) others.get(label).push(`${NAMES[said]} ${count}`);
  const items = classes.map(({ label, right, rows }) => make("tr", {},
    make("th", { scope: "row" }, NAMES[label]), make("td", { class: "number" }, `${right} of ${rows}`), make("td", {}, others.get(label).join(", ") || "–")));
  return make("details", {}, make("summary", {}, `${title}, as a list`),
    make("table", { class: "plain" }, make("thead", {}, make("tr", {}, ...[capital(SERVED.noun), "Right", "Mistaken for"].map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, ...items)));
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
