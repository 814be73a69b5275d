// The rows of one's own with their answers: how many are right, the list of them, and the one that is picked.

const ROWS_A_PAGE = 100;

let ownRows = [];
let ownTitles;
let ownReading;
let ownPage = 0;
let ownPicked = 0;

// What predictRows gives.
function showRows(rows, titles) {
  ownRows = rows;
  ownTitles = titles;
  ownPage = 0;
  $("own-result").hidden = false;
  ownReading ??= makeReading($("own-reading"), titles);
  showOwnScore(titles);
  $("own-list").replaceChildren();
  return pick(0);
}

function hideRows() {
  ownRows = [];
  $("own-result").hidden = true;
}

function showOwnScore(titles) {
  const known = ownRows.filter(({ truth }) => truth !== undefined);
  const agree = ownRows.filter(({ answers }) => answers[titles[0]].said === answers[titles[1]].said).length;
  const right = titles.map((title) => `${title} ${whole(known.filter(({ answers, truth }) => answers[title].said === truth).length)}`);
  const parts = [`${plural(ownRows.length, "row")}; the models agree on ${whole(agree)}.`];
  if (known.length) parts.push(`Right, of ${whole(known.length)} whose ${SERVED.noun} is known: ${right.join(", ")}.`);
  const unlike = ownRows.filter(({ familiar }) => familiar === false).length;
  $("own-unfamiliar").hidden = unlike === 0;
  $("own-unfamiliar").textContent = `${whole(unlike)} of ${plural(ownRows.length, "row")} ${unlike === 1 ? "is" : "are"} far from every class of the training. Another cap, another unit or a loose electrode makes such rows. How often the models are right there was not measured.`;
  $("own-score").textContent = parts.join(" ");
  say([...parts, ...(unlike ? [$("own-unfamiliar").textContent] : [])].join(" "));
}

function showList(titles) {
  const from = ownPage * ROWS_A_PAGE;
  const hasLines = ownRows.some(({ line }) => line !== undefined);
  const someUnlike = ownRows.some(({ familiar }) => familiar === false);
  const lines = ownRows.slice(from, from + ROWS_A_PAGE).map(({ answers, truth, line, familiar }, at) => make("tr", { "data-place": from + at },
    make("td", {}, make("button", { type: "button", tabindex: from + at === ownPicked ? 0 : -1, "aria-label": `Row ${from + at + 1}` }, whole(from + at + 1))),
    ...(hasLines ? [make("td", { class: "number" }, line ?? "")] : []),
    make("td", {}, truth === undefined ? "–" : named(truth)),
    ...titles.map((title) => {
      const { said } = answers[title];
      if (truth === undefined) return make("td", {}, named(said));
      const right = said === truth;
      return make("td", { class: right ? "right" : "wrong" }, named(said), " ", make("span", { "aria-label": right ? "right" : "wrong", role: "img" }, right ? "✓" : "✗"));
    }),
    ...(someUnlike ? [make("td", { class: familiar ? "quiet" : "unlike" }, familiar ? "yes" : "no")] : [])));
  const heads = ["Row", ...(hasLines ? ["Line"] : []), "Truth", ...titles, ...(someUnlike ? ["Familiar"] : [])];
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

function pick(place, focus = false) {
  ownPicked = Math.min(Math.max(place, 0), ownRows.length - 1);
  const page = Math.floor(ownPicked / ROWS_A_PAGE);
  if (page !== ownPage || !$("own-list").querySelector(`[data-place="${ownPicked}"]`)) {
    ownPage = page;
    showList(ownTitles);
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
