// The view of one stored line.

const FIRST = 232;  // The line of the README's examples, where the recording has it.
let lineView;
let shown;  // The rows that the strip has: those of a recording, or a part of them.
let shownLine;

const lineToShow = (all) => (all === shown ? shownLine : undefined) ?? (all.places.has(FIRST) ? FIRST : all.lines[0]);

async function openLine(asked) {
  const recording = SERVED.database ? recordingOf(asked) : OWN;
  const hasRows = SERVED.hasRows || recording !== OWN;
  for (const id of ["choose", "line-strip", "line-reading"]) $(id).hidden = !hasRows;
  $("line-absent").textContent = hasRows ? "" : NO_ROWS;
  if (SERVED.database) openRecordings(recording);
  if (!hasRows) return;
  await inPlace("problem", (signal) => showLine(asked.get("line") ?? undefined, recording, signal).catch((failure) => {
    // It may have been removed.
    if (recording !== OWN && failure.status === 404 && !signal.aborted) listRecordings();
    throw failure;
  }));
}

async function showLine(given, recording, signal) {
  const all = await rowsWith(recording, given, signal).catch((failure) => { if (!signal.aborted) failLine(given); throw failure; });
  if (signal.aborted) return;
  showRowsOf(all);
  const line = given ?? String(lineToShow(all) ?? "");
  if (given === undefined && line === "") {
    failLine();
    throw new Failure("The recording has no rows.", 404);
  }
  $("line").value = line;
  document.title = `Line ${line} – ${TITLE}`;
  const place = all.places.get(Number(line));
  if (place === undefined || !/^\d+$/.test(line)) {
    lineView.reading.fade();
    $("place").textContent = "";
    await ask(pathOf(recording, `line/${encodeURIComponent(line)}`), { signal });
    // Something else is at such a path as “..”.
    throw new Failure(`There is no stored row with line ${line}.`, 404);
  }
  shownLine = all.lines[place];
  lineView.strip.move(place);
  const row = await storedRow(shownLine, all).catch((failure) => { lineView.reading.fade(); throw failure; });
  if (signal.aborted) return;
  const sentence = lineView.reading.show(row);
  say(`Line ${line}. ${sentence}`);
  showCurl(line, recording);
  // Where answers are kept, only what was looked at is.
  if (!SERVED.database?.keeps) for (const near of [place + 1, place - 1]) if (all.lines[near] !== undefined) storedRow(all.lines[near], all).catch(() => {});
}

// Rows of a recording among which a line is, if there is such a line.
async function rowsWith(recording, line, signal) {
  if (SERVED.database) checkRecording(recording);
  const has = (all) => line === undefined || all.places.has(Number(line));
  const isPart = shown?.recording === recording && (shown.next ?? shown.after) !== undefined;
  if (shown?.recording === recording && (has(shown) || !isPart)) return shown;
  const first = recording === OWN ? await overview() : isPart ? shown : await rowsOf(recording, undefined, signal);
  if (has(first) || (!isPart && first.next === undefined) || !/^\d{1,15}$/.test(line)) return first;
  const from = await rowsOf(recording, Number(line) - 1, signal);
  return has(from) ? from : first;
}

function showRowsOf(all) {
  if (all === shown) return;
  lineView?.strip.end();
  shown = all;
  shownLine = undefined;
  lineView = {
    reading: lineView?.reading ?? makeReading($("line-reading"), all.titles),
    strip: makeStrip($("line-strip"), all, {
      label: "Stored lines", follow: true, go: goToLine,
      tell: (described, at) => { $("place").textContent = at === undefined ? described : `${whole(at + 1)} of ${plural(all.lines.length, "line")}`; },
    }),
  };
  if (SERVED.database) showPart(all);
}

// Nothing is shown of another recording than the one that was asked for.
function failLine(line = "") {
  for (const id of ["line-strip", "line-reading", "choose"]) $(id).hidden = true;
  $("line").value = line;
  if (SERVED.database) $("parts").hidden = true;
}

// replace: for a press of a key held down, which should not fill the history.
function goToLine(line, replace = false, recording = shown?.recording ?? OWN) {
  go(`?${recording === OWN ? "" : `recording=${recording}&`}line=${encodeURIComponent(line)}`, replace);
}

async function step(to) {
  const all = await inPlace("problem", async () => shown ?? overview());
  if (!all) return;
  const typed = all.places.get(Number($("line").value.trim())) ?? all.places.get(shownLine) ?? 0;
  const place = to(all, typed);
  if (place === undefined) say("The models disagree on no other line.");
  else if (place >= all.lines.length) goOn();
  else goToLine(all.lines[place]);
}

// The line after the last is in the next part, where there is one.
const beside = (by) => ({ lines, next }, place) => Math.min(Math.max(place + by, 0), lines.length - (next === undefined ? 1 : 0));

function nextDisagreement({ lines, said, titles: [one, other] }, place) {
  for (let ahead = 1; ahead <= lines.length; ahead++) {
    const next = (place + ahead) % lines.length;
    if (said[one][next] !== said[other][next]) return next;
  }
  return undefined;
}

$("choose").addEventListener("submit", (event) => {
  event.preventDefault();
  goToLine($("line").value.trim());
});
$("line").addEventListener("keydown", (event) => {
  const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  step(beside(by));
});
$("previous").addEventListener("click", () => step(beside(-1)));
$("next").addEventListener("click", () => step(beside(1)));
$("random").addEventListener("click", () => step(({ lines }, place) => (place + 1 + Math.floor(Math.random() * (lines.length - 1))) % lines.length));
$("disagreement").addEventListener("click", () => step(nextDisagreement));
