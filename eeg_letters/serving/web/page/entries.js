// What was answered, as a table: newest first, a row an entry, which stays the same element while it is there.

const shownEntries = new Map();
let openedKey;

// A request id may be given twice.
const keyOf = ({ request_id: id, row, time }) => JSON.stringify([id, row, time]);
// An answer may be of a model of other classes than those that are served.
const answerName = ({ label, letter }) => letter ?? String(label);
const shortName = (name) => make("span", { class: "cut", title: name.length > 8 && name }, CLASSES.has(name) ? SHORT[CLASSES.get(name)] : name);

function showEntries(entries, titles) {
  if (!$("log-list").querySelector("table")) {
    const heads = ["Time", "Session", "Request", "Row", ...titles, "Familiar", "Truth"];
    $("log-list").replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((name) => make("th", { scope: "col" }, name)))), make("tbody")));
  }
  const body = $("log-list").querySelector("tbody");
  const wanted = new Map(entries.map((entry) => [keyOf(entry), entry]));
  const hadFocus = body.contains(document.activeElement);
  for (const [key, { element }] of shownEntries) {
    if (wanted.has(key)) continue;
    element.remove();
    shownEntries.delete(key);
  }
  // One that is in its place is not moved, for that would take the focus from it.
  let next = body.firstElementChild;
  for (const [key, entry] of wanted) {
    const { element } = entryRow(key, entry, titles);
    if (element === next) next = next.nextElementSibling;
    else body.insertBefore(element, next);
  }
  if (hadFocus && !body.contains(document.activeElement)) $("log-list").focus();
  markRows();
}

function entryRow(key, entry, titles) {
  const is = JSON.stringify(entry);
  let row = shownEntries.get(key);
  if (row?.is === is) return row;
  const button = row?.button ?? make("button", { type: "button", tabindex: -1 }, localTime(entry.time));
  button.setAttribute("aria-label", `${localTime(entry.time)}, request ${entry.request_id}, row ${entry.row}`);
  const cells = cellsOf(entry, titles);
  if (row) row.element.replaceChildren(row.element.firstElementChild, ...cells);
  else row = { button, element: make("tr", { "data-key": key }, make("td", {}, button), ...cells) };
  Object.assign(row, { is, entry });
  shownEntries.set(key, row);
  return row;
}

function cellsOf(entry, titles) {
  const { truth } = entry;
  return [
    make("td", {}, make("span", { class: "cut", title: entry.session }, entry.session ?? "–")),
    make("td", {}, make("code", { class: "cut", title: entry.request_id }, entry.request_id)),
    make("td", { class: "number" }, whole(entry.row)),
    ...titles.map((title) => {
      const said = entry[title];
      if (!said) return make("td", {}, "–");
      const share = said.probability === undefined ? [] : [" ", make("span", { class: "quiet" }, percent(said.probability))];
      if (!truth) return make("td", { class: "said" }, shortName(answerName(said)), ...share);
      const right = said.label === truth.label;
      return make("td", { class: right ? "said right" : "said wrong" }, shortName(answerName(said)), ...share, " ",
        make("span", { "aria-label": right ? "right" : "wrong", role: "img" }, right ? "✓" : "✗"));
    }),
    make("td", { class: entry.familiar === false ? "unlike" : undefined }, { true: "yes", false: "no" }[entry.familiar] ?? "–"),
    make("td", {}, truth ? shortName(answerName(truth)) : "–"),
  ];
}

// Which row is open, and which the Tab key reaches: one of them.
function markRows() {
  const rows = [...shownEntries.values()];
  const focused = rows.find(({ button }) => button === document.activeElement);
  const stop = focused ?? shownEntries.get(openedKey) ?? rows.find(({ element }) => element === $("log-list").querySelector("tbody tr"));
  for (const row of rows) {
    const here = keyOf(row.entry) === openedKey;
    row.element.classList.toggle("picked", here);
    row.button.tabIndex = row === stop ? 0 : -1;
    if (here) row.button.setAttribute("aria-current", "true");
    else row.button.removeAttribute("aria-current");
  }
}

function forgetEntries() {
  shownEntries.clear();
  $("log-list").replaceChildren();
}

$("log-list").addEventListener("click", ({ target }) => {
  const row = shownEntries.get(target.closest("[data-key]")?.dataset.key);
  if (!row) return;
  row.button.focus();
  openEntry(row.entry);
});
$("log-list").addEventListener("keydown", (event) => {
  const here = event.target.closest("button")?.closest("tr");
  const to = here && { ArrowUp: here.previousElementSibling, ArrowDown: here.nextElementSibling, Home: here.parentElement.firstElementChild, End: here.parentElement.lastElementChild }[event.key];
  if (!to) return;
  event.preventDefault();
  to.querySelector("button").focus();
  markRows();
});
