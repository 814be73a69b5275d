// The view of the models: how right they are, where they are wrong, what they are.

let modelsView;

async function openModels() {
  await inPlace("problem", async (signal) => {
    const facts = await models();
    if (signal.aborted) return;
    $("facts").replaceChildren(factsTable(facts));
    for (const id of ["models-rows", "models-lines"]) $(id).hidden = !SERVED.hasRows;
    $("models-absent").textContent = SERVED.hasRows ? "" : NO_ROWS;
    if (SERVED.database) showLabelled(facts);
    if (!SERVED.hasRows) return;
    const all = await overview();
    if (signal.aborted) return;
    modelsView ??= buildModels(all);
    modelsView.move((shown?.recording === OWN ? all.places.get(shownLine) : undefined) ?? 0);
  });
}

function buildModels(all) {
  const { titles, lines, truth, said, next } = all;
  const first = next === undefined ? "" : "the first ";
  const tables = titles.map((title) => confusion(truth, said[title]));
  $("scores").replaceChildren(...titles.map((title, model) => make("p", { class: "score" },
    make("span", { class: "title" }, title),
    make("b", {}, percent(tables[model].right / truth.length)),
    make("span", { class: "quiet" }, `${whole(tables[model].right)} of ${first}${plural(truth.length, "stored row")} right`))), together(all));
  $("drift").textContent = titles.map((title, model) => weakest(title, tables[model])).join(" ");
  $("stretch").textContent = stretchesOf(runsOf(truth), lines.length).of;
  $("confusions-note").textContent = SHOWN.length > MOST_CELLS
    ? `The pairs of ${SERVED.nouns} that are most often mistaken.`
    : `True ${SERVED.noun} by row, the model’s answer by column; on the right the share of each ${SERVED.noun} that was recognised.`;
  $("confusions").replaceChildren(...titles.map((title, model) => confusions(title, tables[model])));
  const paint = () => paintCells($("confusions"));
  paint();
  onTheme(paint);
  return makeStrip($("models-strip"), all, {
    label: "Right and wrong answers, line by line", profile: true, go: (line, replace) => goToLine(line, replace, OWN),
    tell: (described) => { $("models-place").textContent = described; },
  });
}

function together({ titles: [one, other], truth, said }) {
  const places = truth.map((_, place) => place);
  const agree = places.filter((place) => said[one][place] === said[other][place]);
  const right = agree.filter((place) => said[one][place] === truth[place]).length;
  return make("p", { class: "score" },
    make("span", { class: "title" }, "Where both agree"),
    make("b", {}, agree.length ? percent(right / agree.length) : "–"),
    make("span", { class: "quiet" }, `${whole(right)} of ${plural(agree.length, "row")} right`));
}

function weakest(title, { classes }) {
  const recalls = classes.map(({ label, right, rows }) => ({ label, share: right / rows })).sort((one, other) => one.share - other.share);
  const named = recalls.slice(0, Math.min(3, Math.max(1, recalls.length - 1))).map(({ label, share }) => `${NAMES[label]} (${Math.round(100 * share)}\u00a0%)`);
  return `${title} recognises ${joined(named)} least.`;
}

function classNames(classes) {
  const known = classes.map((label) => NAMES[CLASSES.get(label)]);
  if (SERVED.areLetters) return known.length === NAMES.length ? "all 26" : known.join(" ");
  return known.length > 12 ? `${whole(known.length)}: ${listed(known)}` : known.join(", ");
}

function factsTable(models) {
  const recording = (facts) => (facts ? [`${plural(facts.rows, "row")}, SHA-256 `, make("code", {}, facts.sha256)] : undefined);
  const share = (value) => (value === undefined ? undefined : [percent(value)]);
  const withInterval = (value, ends) => (value !== undefined && ends ? [`${percent(value)} (95 % interval ${ends.map(percent).join(" to ")})`] : share(value));
  const facts = [
    ["Version", ({ name, version }) => [make("code", {}, `${name}:${version}`)]],
    ["Trained on", ({ training }) => recording(training)],
    ["Tested on", ({ test }) => recording(test)],
    ["Accuracy in that test", ({ accuracy, interval }) => withInterval(accuracy?.test, interval?.test)],
    [`Always saying the commonest ${SERVED.noun}`, ({ commonest_class: commonest }) => share(commonest?.test)],
    ["A clock, by nothing but elapsed time", ({ clock }) => share(clock?.accuracy)],
    ["Estimate from training alone", ({ accuracy }) => share(accuracy?.recordings ?? accuracy?.blocked)],
    [capital(SERVED.nouns), ({ classes }) => (classes ? [classNames(classes)] : undefined)],
    ["Preprocessing", ({ preprocessing, shrinkage }) => (preprocessing === undefined ? undefined : [`${preprocessing}${shrinkage ? ", shrinkage" : ""}`])],
    ["Temperature", ({ temperature }) => (temperature === undefined ? undefined : [power(temperature)])],
    ["Trained with", ({ versions }) => (versions ? [Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", ")] : undefined)],
  ];
  const rows = facts.map(([name, tell]) => [name, models.map(tell)]).filter(([, cells]) => cells.some((cell) => cell !== undefined));
  return make("table", { class: "plain" },
    make("thead", {}, make("tr", {}, make("td"), ...models.map(({ title }) => make("th", { scope: "col" }, title)))),
    make("tbody", {}, ...rows.map(([name, cells]) => make("tr", {}, make("th", { scope: "row" }, name), ...cells.map((cell) => make("td", {}, ...(cell ?? ["–"])))))));
}
