// The view of rows of one's own: a file or pasted text goes to the service as it is, in as many requests as it takes.

const ROWS_A_REQUEST = 500;
// Of many classes or features fewer rows, or the service would refuse each request for the size of its answer first.
const CELLS_A_REQUEST = 100_000;
const SHOWN_BYTES = 200_000;

let ownFile;  // Its bytes, until the field that shows them is edited.

function openOwn() {
  $("example").hidden = !SERVED.hasRows && !shown;
  $("example").textContent = shownLine === undefined ? "Take a stored line" : `Take stored line ${shownLine}`;
}

// One request after the other; what is too much for one is halved.
async function predictRows(table, titles, signal) {
  const rows = [];
  let readAs;
  const some = async (from, count) => {
    try {
      const answered = await predictTable(table.type, table.part(from, count), signal);
      rows.push(...answered.rows.slice(table.repeated(from)));
      readAs ??= answered.readAs;
    } catch (failure) {
      if (failure.status !== 413 || count < 2) throw inTable(failure, table, from);
      const half = Math.ceil(count / 2);
      await some(from, half);
      await some(from + half, count - half);
    }
  };
  const most = Math.min(ROWS_A_REQUEST, Math.max(1, Math.floor(CELLS_A_REQUEST / (NAMES.length * titles.length + SERVED.features.length))));
  let done = 0;
  do {
    showProgress(done, table);
    await some(done, Math.min(most, table.total - done));
    done += most;
  } while (done < table.total);
  return { rows, readAs };
}

function inTable(failure, table, from) {
  if (!(failure instanceof Failure)) return failure;
  const message = table.told(failure.message, from);
  return new Failure(failure.status === 413 ? `${message} ${BATCH}` : message, failure.status);
}

async function predictOwn() {
  hideRows();
  await inPlace("own-problem", async (signal) => {
    const bytes = ownFile ?? asBytes($("text").value);
    if (!bytes.some((byte) => byte > 32)) throw new Failure("There are no rows.", 422);
    const titles = (await models()).map(({ title }) => title);
    try {
      const { rows, readAs } = await predictRows(tableOf(bytes), titles, signal);
      if (rows.length === 0) throw new Failure("There are no rows.", 422);
      $("own-read-as").textContent = readAs ? `Read as: ${readAs}` : "";
      showRows(rows, titles);
    } finally {
      if (!signal.aborted) $("progress").hidden = true;
    }
  });
}

function showProgress(done, { total, unit }) {
  $("progress").hidden = false;
  if (unit) {
    $("done").max = total;
    $("done").value = done;
  } else {
    $("done").removeAttribute("value");
  }
  $("done-text").textContent = unit ? `${whole(done)} of ${plural(total, unit)}` : "The service reads the rows.";
}

async function takeFile(file) {
  if (!file) return;
  await inPlace("own-problem", async (signal) => {
    const bytes = await bytesOf(file);
    if (signal.aborted) return;
    const long = bytes.length > SHOWN_BYTES;
    showSource(file.name, long ? `${file.name}, ${whole(Math.round(bytes.length / 1000))} kB: too long to show.` : "");
    $("text").value = long ? "" : asText(bytes);
    ownFile = bytes;
    predictOwn();
  });
}

function showSource(name = "", inPlaceOfText = "") {
  $("source").textContent = name;
  $("text").placeholder = inPlaceOfText;
  ownFile = undefined;
}

function clearOwn() {
  underWay["own-problem"]?.abort();
  showSource();
  hideRows();
  $("text").value = "";
  $("own-problem").replaceChildren();
  $("progress").hidden = true;
}

let linesUnderWay = 0;
// Meanwhile nothing is predicted of a field that the line has not reached.
function holdPredict(more) {
  linesUnderWay += more;
  $("predict").disabled = linesUnderWay > 0;
}

function takeStoredLine() {
  return inPlace("own-problem", async (signal) => {
    holdPredict(1);
    try {
      const all = shown ?? await overview();
      const stored = await ask(pathOf(all.recording, `line/${lineToShow(all)}`), { signal });
      showSource();
      $("text").value = [$("text").value.trim(), JSON.stringify(stored)].filter(Boolean).join("\n");
    } finally {
      holdPredict(-1);
    }
  });
}

$("own").addEventListener("submit", (event) => {
  event.preventDefault();
  predictOwn();
});
$("text").addEventListener("input", () => showSource());
$("file").addEventListener("change", () => {
  takeFile($("file").files[0]);
  $("file").value = "";
});
$("clear").addEventListener("click", clearOwn);
$("example").addEventListener("click", takeStoredLine);
for (const type of ["dragover", "dragleave", "drop"]) {
  $("view-rows").addEventListener(type, (event) => {
    event.preventDefault();
    $("text").classList.toggle("over", type === "dragover");
    if (type === "drop") takeFile(event.dataTransfer.files[0]);
  });
}
