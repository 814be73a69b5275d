// The view of one stored line.

const FIRST = 232;  // The line of the README's examples, where the recording has it.
let lineView;
let shownLine;

const lineToShow = ({ places, lines }) => shownLine ?? (places.has(FIRST) ? FIRST : lines[0]);

async function openLine(given) {
  for (const id of ["choose", "line-strip", "line-reading"]) $(id).hidden = !SERVED.hasRows;
  $("line-absent").textContent = SERVED.hasRows ? "" : NO_ROWS;
  if (!SERVED.hasRows) return;
  await inPlace("problem", async (signal) => {
    const all = await overview();
    if (signal.aborted) return;
    lineView ??= buildLine(all);
    const line = given ?? String(lineToShow(all));
    $("line").value = line;
    document.title = `Line ${line} – ${TITLE}`;
    const place = all.places.get(Number(line));
    if (place === undefined || !/^\d+$/.test(line)) {
      lineView.reading.fade();
      $("place").textContent = "";
      await ask(`line/${encodeURIComponent(line)}`, { signal });
      // Something else is at such a path as “..”.
      throw new Failure(`There is no stored row with line ${line}.`, 404);
    }
    shownLine = all.lines[place];
    lineView.strip.move(place);
    const row = await storedRow(shownLine).catch((failure) => { lineView.reading.fade(); throw failure; });
    if (signal.aborted) return;
    const sentence = lineView.reading.show(row);
    say(`Line ${line}. ${sentence}`);
    showCurl(line);
    for (const near of [place + 1, place - 1]) if (all.lines[near] !== undefined) storedRow(all.lines[near]).catch(() => {});
  });
}

function buildLine(all) {
  return {
    reading: makeReading($("line-reading"), all),
    strip: makeStrip($("line-strip"), all, {
      label: "Stored lines", follow: true, go: goToLine,
      tell: (described, at) => { $("place").textContent = at === undefined ? described : `${whole(at + 1)} of ${plural(all.lines.length, "line")}`; },
    }),
  };
}

// replace: for a press of a key held down, which should not fill the history.
function goToLine(line, replace = false) {
  go(`?line=${encodeURIComponent(line)}`, replace);
}

async function step(to) {
  const all = await inPlace("problem", overview);
  if (!all) return;
  const typed = all.places.get(Number($("line").value.trim())) ?? all.places.get(shownLine) ?? 0;
  const place = to(all, typed);
  if (place === undefined) say("The models disagree on no other line.");
  else goToLine(all.lines[place]);
}

const beside = (by) => ({ lines }, place) => Math.min(Math.max(place + by, 0), lines.length - 1);

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
