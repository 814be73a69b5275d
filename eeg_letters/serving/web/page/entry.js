// One entry of the log: the row with both answers, and the way to tell what it truly was.

let opened;
let entryReading;

function openEntry({ request_id: id, row, time }) {
  openedKey = keyOf({ request_id: id, row, time });
  markRows();
  return inPlace("entry-problem", async (signal) => {
    // Any number of requests may have had that id.
    const query = new URLSearchParams({ row, time });
    const [{ entries }, facts] = await Promise.all([askLogged(`predictions/log/${encodeURIComponent(id)}?${query}`, { signal }), models()])
      .catch((failure) => { if (!signal.aborted) $("entry").hidden = true; throw failure; });
    if (signal.aborted) return;
    const found = entries.find((entry) => keyOf(entry) === openedKey);
    $("entry").hidden = !found;
    if (!found) throw new Failure(`Of request “${id}”, row ${row}, nothing is kept any more.`, 404);
    if (!opened || keyOf(opened) !== openedKey) {
      $("told").textContent = "";
      $("tell-problem").replaceChildren();
    }
    opened = found;
    showEntry(found, facts);
  });
}

function showEntry(entry, facts) {
  const titles = facts.map(({ title }) => title);
  $("entry-heading").textContent = `Request ${entry.request_id}, row ${entry.row}`;
  const versions = titles.filter((title) => entry[title]).map((title) => `${title} ${entry[title].version}`);
  const stored = entry.recording === undefined ? [] : [`line ${entry.line} of the recording with SHA-256 ${entry.recording}`];
  $("entry-facts").textContent = [localTime(entry.time), entry.route, ...(entry.session === undefined ? [] : [`session ${entry.session}`]), ...stored, ...versions].join("; ");
  $("tell-truth").value = entry.truth === undefined ? "" : String(CLASSES.get(entry.truth.label) ?? "");
  const row = asRow(entry, facts);
  $("entry-reading").hidden = row === undefined;
  $("entry-unshown").textContent = row === undefined
    ? `${titles.map((title) => `${title}: ${entry[title] ? answerName(entry[title]) : "not asked"}`).join(", ")}. ${entry.truth ? `It was ${answerName(entry.truth)}. ` : ""}Not all probabilities are known, or they are of other ${SERVED.nouns} than those that are served now.`
    : row.values ? "" : `Its ${SERVED.arePowers ? "band powers" : "features"} were not kept, or are others than those that are served now.`;
  if (row === undefined) return;
  // Where it is hidden there is no room to draw in.
  entryReading ??= makeReading($("entry-reading"), titles);
  say(`Request ${entry.request_id}, row ${entry.row}. ${entryReading.show(row)}`);
}

// As makeReading shows it; undefined where that needs what is not known. Which classes probabilities are of is known of the
// versions that are served, and of letters.
function asRow(entry, facts) {
  const known = facts.every(({ title, version }) => {
    const said = entry[title];
    return said?.probabilities?.length === NAMES.length && CLASSES.has(said.label) && (said.version === version || SERVED.areLetters);
  });
  const truth = CLASSES.get(entry.truth?.label);
  if (!known || (entry.truth && truth === undefined)) return undefined;
  const values = entry.values && SERVED.features.map((name) => entry.values[name]);
  return {
    truth, familiar: entry.familiar, values: values?.includes(undefined) ? undefined : values,
    answers: Object.fromEntries(facts.map(({ title }) => [title, { said: CLASSES.get(entry[title].label), probabilities: entry[title].probabilities }])),
  };
}

function forgetEntry() {
  underWay["entry-problem"]?.abort();
  underWay["tell-problem"]?.abort();
  opened = undefined;
  openedKey = undefined;
  $("entry").hidden = true;
  $("entry-problem").replaceChildren();
}

function tellTruth() {
  const { request_id, row, time } = opened;
  const chosen = $("tell-truth").value;
  $("told").textContent = "";
  return inPlace("tell-problem", async (signal) => {
    if (chosen === "") throw new Failure(`Choose the ${SERVED.noun} that it was.`, 422);
    const body = JSON.stringify({ request_id, row, label: SERVED.labels[chosen], time });
    await askLogged("feedback", { body, signal });
    if (signal.aborted) return;
    $("told").textContent = `Written: it was ${NAMES[chosen]}.`;
    askLog();
    await openEntry(opened);
  });
}

$("tell-truth").append(make("option", { value: "" }, "not known"), ...NAMES.map((name, place) => make("option", { value: place }, shortened(name, 60))));
$("tell").addEventListener("submit", (event) => {
  event.preventDefault();
  tellTruth();
});
