// The view of rows of one's own.

const ROWS_A_REQUEST = 500;
// Of many classes fewer rows, or the service would refuse each request for its many probabilities first.
const CELLS_A_REQUEST = 100_000;
const ROWS_A_PAGE = 100;
const LARGEST_FILE = 64 * 1024 * 1024;
const SHOWN_TEXT = 200_000;

let ownText;  // Of a file too long for the field.
let ownRows = [];
let ownReading;
let ownPage = 0;
let ownPicked = 0;

function openOwn() {
  $("example").hidden = !SERVED.hasRows;
  $("example").textContent = shownLine === undefined ? "Take a stored line" : `Take stored line ${shownLine}`;
}

// One request after the other; what is too much for one is halved.
async function predictAll(rows, titles, signal, onProgress) {
  const answers = [];
  const size = async (from, count) => {
    try {
      const part = rows.slice(from, from + count).map(({ values }) => values);
      answers.push(...await predict(part, signal));
    } catch (failure) {
      if (failure.status !== 413 || count === 1) throw inText(failure, rows, from);
      const half = Math.ceil(count / 2);
      await size(from, half);
      await size(from + half, count - half);
    }
  };
  const most = Math.min(ROWS_A_REQUEST, Math.max(1, Math.floor(CELLS_A_REQUEST / (NAMES.length * titles.length))));
  for (let from = 0; from < rows.length; from += most) {
    onProgress(from);
    await size(from, Math.min(most, rows.length - from));
  }
  return answers;
}

// The service counts rows of a request from 0; a person's rows count from 1, and stand in lines of the text.
function inText(failure, rows, from) {
  if (!(failure instanceof Failure) || failure.status === 0 || failure.status >= 500) return failure;
  const message = failure.message.replace(/\b([Rr]ow) (\d+)\b/g, (_, word, digits) => {
    const place = from + Number(digits);
    return `${word} ${place + 1}${rows[place]?.where ?? ""}`;
  });
  return new Failure(message, failure.status);
}

async function predictOwn() {
  $("own-result").hidden = true;
  ownRows = [];
  await inPlace("own-problem", async (signal) => {
    const all = await overview();
    const text = ownText ?? $("text").value;
    try {
      const { rows, ignored } = parseRows(text);
      const answers = await predictAll(rows, all.titles, signal, (done) => showProgress(done, rows.length));
      ownRows = rows.map((row, at) => ({ values: row.values, answers: answers[at], truth: row.truth, line: row.line }));
      $("own-ignored").textContent = ignored.length ? `Ignored: ${listed(ignored)}.` : "";
    } catch (failure) {
      if (!(failure instanceof NotJSON)) throw failure;
      await ask("predict", { body: failure.body, signal }).catch((refused) => { throw signal.aborted ? refused : inText(refused, [], 0); });
      throw failure;
    } finally {
      if (!signal.aborted) $("progress").hidden = true;
    }
    $("own-result").hidden = false;
    ownReading ??= makeReading($("own-reading"), all);
    showOwnScore(all.titles);
    ownPage = 0;
    pick(0);
  });
}

function showProgress(done, total) {
  $("progress").hidden = false;
  $("done").max = total;
  $("done").value = done;
  $("done-text").textContent = `${whole(done)} of ${plural(total, "row")}`;
}

function showOwnScore(titles) {
  const known = ownRows.filter(({ truth }) => truth !== undefined);
  const agree = ownRows.filter(({ answers }) => answers[titles[0]].said === answers[titles[1]].said).length;
  const right = titles.map((title) => `${title} ${whole(known.filter(({ answers, truth }) => answers[title].said === truth).length)}`);
  const parts = [`${plural(ownRows.length, "row")}; the models agree on ${whole(agree)}.`];
  if (known.length) parts.push(`Right, of ${whole(known.length)} whose ${SERVED.noun} is known: ${right.join(", ")}.`);
  $("own-score").textContent = parts.join(" ");
  say(parts.join(" "));
}

function showList(titles) {
  const from = ownPage * ROWS_A_PAGE;
  const lines = ownRows.slice(from, from + ROWS_A_PAGE).map(({ answers, truth, line }, at) => make("tr", { "data-place": from + at },
    make("td", {}, make("button", { type: "button", tabindex: from + at === ownPicked ? 0 : -1, "aria-label": `Row ${from + at + 1}` }, whole(from + at + 1))),
    ...(hasLines() ? [make("td", { class: "number" }, line ?? "")] : []),
    make("td", {}, truth === undefined ? "–" : named(truth)),
    ...titles.map((title) => {
      const { said } = answers[title];
      if (truth === undefined) return make("td", {}, named(said));
      const right = said === truth;
      return make("td", { class: right ? "right" : "wrong" }, named(said), " ", make("span", { "aria-label": right ? "right" : "wrong", role: "img" }, right ? "✓" : "✗"));
    })));
  const heads = ["Row", ...(hasLines() ? ["Line"] : []), "Truth", ...titles];
  $("own-list").replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, ...lines)));
  const pages = Math.ceil(ownRows.length / ROWS_A_PAGE);
  const turn = (by) => () => { ownPage += by; pick(ownPage * ROWS_A_PAGE); };
  $("pages").replaceChildren(...(pages < 2 ? [] : [
    make("button", { type: "button", disabled: ownPage === 0, onclick: turn(-1) }, "Earlier rows"),
    make("button", { type: "button", disabled: ownPage === pages - 1, onclick: turn(1) }, "Later rows"),
    make("span", { class: "quiet" }, `Rows ${whole(from + 1)}–${whole(from + lines.length)} of ${whole(ownRows.length)}`),
  ]));
}

const named = (place) => make("span", { class: "cut", title: NAMES[place].length > 8 && NAMES[place] }, SHORT[place]);
const hasLines = () => ownRows.some(({ line }) => line !== undefined);

async function pick(place, focus = false) {
  const { titles } = await overview();
  ownPicked = Math.min(Math.max(place, 0), ownRows.length - 1);
  const page = Math.floor(ownPicked / ROWS_A_PAGE);
  if (page !== ownPage || !$("own-list").querySelector(`[data-place="${ownPicked}"]`)) {
    ownPage = page;
    showList(titles);
  }
  for (const line of $("own-list").querySelectorAll("tbody tr")) {
    const here = Number(line.dataset.place) === ownPicked;
    const button = line.querySelector("button");
    line.classList.toggle("picked", here);
    button.tabIndex = here ? 0 : -1;
    if (here) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
    if (here && focus) button.focus();
  }
  const sentence = ownReading.show(ownRows[ownPicked]);
  if (focus) say(`Row ${ownPicked + 1}. ${sentence}`);
}

$("own-list").addEventListener("click", ({ target }) => {
  const line = target.closest("[data-place]");
  if (line) pick(Number(line.dataset.place), true);
});
$("own-list").addEventListener("keydown", (event) => {
  const to = { ArrowUp: ownPicked - 1, ArrowDown: ownPicked + 1, Home: 0, End: ownRows.length - 1 }[event.key];
  if (to === undefined || !event.target.closest("button")) return;
  event.preventDefault();
  pick(to, true);
});

async function takeFile(file) {
  if (!file) return;
  await inPlace("own-problem", async () => {
    if (file.size > LARGEST_FILE) {
      throw new Failure(`${file.name} has ${whole(Math.round(file.size / 1e6))} MB; this page takes ${whole(Math.round(LARGEST_FILE / 1e6))} MB. “python -m eeg_letters.batch” takes files of any size.`, 413);
    }
    const text = await file.text().catch(() => { throw new Failure(`${file.name} cannot be read.`, 400); });
    $("source").textContent = file.name;
    const long = text.length > SHOWN_TEXT;
    $("text").value = long ? "" : text;
    $("text").placeholder = long ? `${file.name}, ${whole(Math.round(text.length / 1000))} kB: too long to show.` : "";
    ownText = long ? text : undefined;
    predictOwn();
  });
}

function clearOwn() {
  underWay["own-problem"]?.abort();
  ownText = undefined;
  ownRows = [];
  $("text").value = $("text").placeholder = $("source").textContent = "";
  $("own-problem").replaceChildren();
  $("own-result").hidden = $("progress").hidden = true;
}

$("own").addEventListener("submit", (event) => {
  event.preventDefault();
  predictOwn();
});
$("text").addEventListener("input", () => {
  ownText = undefined;
  $("source").textContent = $("text").placeholder = "";
});
$("file").addEventListener("change", () => {
  takeFile($("file").files[0]);
  $("file").value = "";
});
$("clear").addEventListener("click", clearOwn);
$("example").addEventListener("click", () => inPlace("own-problem", async (signal) => {
  $("predict").disabled = true;  // Of a field that the line has not reached.
  try {
    const stored = await ask(`line/${lineToShow(await overview())}`, { signal });
    ownText = undefined;
    $("text").value = [$("text").value.trim(), JSON.stringify(stored)].filter(Boolean).join("\n");
  } finally {
    $("predict").disabled = false;
  }
}));
for (const type of ["dragover", "dragleave", "drop"]) {
  $("view-rows").addEventListener(type, (event) => {
    event.preventDefault();
    $("text").classList.toggle("over", type === "dragover");
    if (type === "drop") takeFile(event.dataTransfer.files[0]);
  });
}
