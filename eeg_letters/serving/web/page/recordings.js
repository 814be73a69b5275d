// Recordings in the database: the choice among them, their scores, and parts of those that are longer than one answer.

const RECORDING_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
let recordings = [];
let areListed = false;
let starts = [];  // After which lines the parts begin that were gone through before the one that is shown.
let scored;  // The recording whose score is shown or waited for.

// The one that an address asks for: without a line the one that was shown before.
function recordingOf(asked) {
  const name = asked.get("recording") ?? (asked.has("line") ? OWN : shown?.recording ?? OWN);
  return name === SERVED.database.recording ? OWN : name;
}

// Any text may stand in the address; what is no name may lead to another path.
function checkRecording(name) {
  if (name !== OWN && !RECORDING_NAME.test(name)) throw new Failure(`There is no recording “${shortened(name, 100)}”.`, 404);
}

async function openRecordings(recording) {
  showChoice(recording);
  if (!areListed) await listRecordings();
}

function listRecordings() {
  return inPlace("recordings-problem", async (signal) => {
    const found = await ask("recordings", { signal, patience: 0 });
    const before = recordings.find(({ name }) => name === shown?.recording);
    recordings = found;
    areListed = true;
    const now = found.find(({ name }) => name === shown?.recording);
    // Another one under the same name: what was asked of the one before is not true of it.
    if (before && now && before.sha256 !== now.sha256) {
      forgetRows();
      open();
    }
    showChoice(recordingOf(new URLSearchParams(location.search)));
  });
}

function forgetRows() {
  shown = undefined;
  scored = undefined;
  kept.clear();
}

function showChoice(recording) {
  const own = SERVED.database.recording ?? "the service’s own";
  const others = recordings.map(({ name }) => name).filter((name) => name !== SERVED.database.recording);
  const names = recording === OWN || others.includes(recording) ? others : [...others, recording];
  $("recordings").hidden = names.length === 0 && recordings.length === 0;
  const options = [[OWN, SERVED.hasRows ? own : "none"], ...names.map((name) => [name, name])];
  // An open list should not close, so that it is made again only where it is another.
  if (JSON.stringify([...$("recording").options].map(({ value }) => value)) !== JSON.stringify(options.map(([value]) => value))) {
    $("recording").replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
  }
  $("recording").value = recording;
  const facts = factsOf(recording);
  $("recording-facts").textContent = facts
    ? `${plural(facts.rows, "row")}, ${plural(facts.classes.length, SERVED.noun, SERVED.nouns)}, imported ${localTime(facts.imported_at)}`
    : "";
  if (!$("recordings").hidden && (SERVED.hasRows || recording !== OWN)) showScore(recording);
}

const factsOf = (recording) => recordings.find(({ name }) => name === (recording === OWN ? SERVED.database.recording : recording));

async function showScore(recording) {
  if (scored === recording) return;
  scored = recording;
  await inPlace("recording-score", async (signal) => {
    if (recording !== OWN && !RECORDING_NAME.test(recording)) return;
    for (;;) {
      try {
        const score = await ask(pathOf(recording, "score"), { signal, patience: 0 });
        if (signal.aborted) return;
        $("recording-score").textContent = `Right: ${Object.entries(score).map(([name, share]) => `${name.replace(/^Score /, "")} ${percent(share)}`).join(", ")}`;
        return;
      } catch (failure) {
        if (signal.aborted) throw failure;
        // Why there is none, the rows tell.
        if ([404, 409].includes(failure.status)) return;
        if (failure.status !== 503) throw failure;
        $("recording-score").textContent = `${failure.message} Asking again in ${plural(failure.wait, "second")}.`;
        await seconds(failure.wait, signal);
      }
      // Asked again when the view is opened.
      if ($("view-line").hidden) {
        scored = undefined;
        return;
      }
    }
  });
}

function showPart({ recording, lines, after, next }) {
  $("parts").hidden = after === undefined && next === undefined;
  $("earlier").disabled = after === undefined;
  $("later").disabled = next === undefined;
  const facts = factsOf(recording);
  $("part").textContent = `Lines ${lines[0]} to ${lines.at(-1)}${facts ? `; the recording has ${plural(facts.rows, "row")}` : ""}`;
}

// The rows after a line, or the first.
async function goToPart(after) {
  const { recording } = shown;
  const all = await inPlace("problem", (signal) => (after === undefined && recording === OWN ? overview() : rowsOf(recording, after, signal)));
  if (!all?.lines.length) return;
  showRowsOf(all);
  goToLine(all.lines[0]);
}

function goOn() {
  starts.push(shown.after);
  goToPart(shown.next);
}

function goBack() {
  const isBefore = (after) => after === undefined || after < shown.lines[0] - 1;
  let after = starts.pop();
  while (!isBefore(after)) after = starts.pop();
  goToPart(after);
}

$("recording").addEventListener("change", () => go(`?recording=${$("recording").value}`));
for (const type of ["focus", "pointerdown"]) $("recording").addEventListener(type, listRecordings);
$("later").addEventListener("click", goOn);
$("earlier").addEventListener("click", goBack);
