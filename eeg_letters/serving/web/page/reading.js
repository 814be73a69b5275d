// One row as a person reads it: both answers beside the truth, the probabilities by each model, and the row's features.

// The bars are of all classes; of more than this of the likeliest alone.
const MOST_COLUMNS = 100;
const LIKELIEST = 20;

function makeReading(host, titles) {
  const few = SHOWN.length <= MOST_COLUMNS;
  let row;

  const sentence = make("p", { class: "sentence" });
  const truth = makeAnswer("Truth", "truth");
  const answers = titles.map((title, model) => makeAnswer(title, `model-${model}`));
  const columns = Array.from({ length: few ? SHOWN.length : LIKELIEST }, () => {
    const bars = titles.map(() => make("i"));
    const tops = titles.map(() => make("b"));
    const sides = titles.map((_, model) => make("span", { class: `side side-${model}` }, bars[model], tops[model]));
    const name = make("span", { class: "name" });
    return { bars, tops, name, element: make("div", { class: "column" }, sides[0], name, ...sides.slice(1)) };
  });
  const chart = make("div", { class: "chart", role: "img", "--columns": columns.length }, ...columns.map(({ element }) => element));
  const pointed = make("p", { class: "quiet pointed" });
  const cells = SHOWN.map(() => titles.map(() => make("td")));
  const numbers = make("details", { class: "numbers" },
    make("summary", {}, SHOWN.length > 2 ? `All ${whole(SHOWN.length)} as a table` : "As a table"),
    make("table", {}, make("thead", {}, make("tr", {}, ...[capital(SERVED.noun), ...titles].map((name) => make("th", { scope: "col" }, name)))),
      make("tbody", {}, ...cells.map((row, at) => make("tr", {}, make("th", { scope: "row" }, NAMES[SHOWN[at]]), ...row)))));
  const features = makeFeatures();
  const ofFeatures = make("div", {}, ...features.elements);

  host.replaceChildren(
    sentence,
    // Many columns scroll, which takes the keyboard as well.
    make("div", { class: LONGEST > 8 ? "answers long" : "answers" }, answers[0].element, truth.element, ...answers.slice(1).map(({ element }) => element),
      make("div", { class: "columns", ...(columns.length > 26 ? { tabindex: 0, role: "region", "aria-label": "Probabilities" } : {}) }, chart)),
    make("div", { class: "under" }, pointed, numbers),
    ofFeatures,
  );
  host.classList.add("reading");
  if (few) columns.forEach((_, at) => nameColumn(at, SHOWN[at]));
  fitNames(chart, columns.length, few ? LONGEST : Math.min(LONGEST, 14));

  function nameColumn(at, place) {
    const { name, element } = columns[at];
    name.textContent = columns.length > 4 ? SHORT[place] : NAMES[place];
    if (NAMES[place].length > 1) element.setAttribute("title", NAMES[place]);
    element.dataset.label = place;
  }

  function makeAnswer(title, kind) {
    const letter = make("b", { class: "letter" }, "\u00a0");
    const verdict = make("span", { class: "verdict" }, "\u00a0");
    const element = make("div", { class: `answer ${kind}` }, make("span", { class: "title" }, title), letter, verdict);
    return { letter, verdict, element };
  }

  // The longer, the smaller; what does not fit even so is cut, and whole in the table and under the pointer.
  function showName({ letter }, name) {
    letter.replaceChildren(make("span", {}, name));
    letter.style.setProperty("--signs", Math.max(name.length, 2));
    letter.classList.toggle("word", name.length > 1);
    letter.classList.toggle("phrase", name.length > 16);
    if (name.length > 1) letter.setAttribute("title", name);
    else letter.removeAttribute("title");
  }

  function showAnswers() {
    const said = titles.map((title) => row.answers[title]);
    const known = row.truth !== undefined;
    showName(truth, known ? NAMES[row.truth] : "–");
    truth.verdict.textContent = known ? "\u00a0" : "not known";
    truth.element.classList.toggle("unknown", !known);
    said.forEach(({ said: place, probabilities }, model) => {
      const right = place === row.truth;
      showName(answers[model], NAMES[place]);
      answers[model].element.classList.toggle("right", known && right);
      answers[model].element.classList.toggle("wrong", known && !right);
      answers[model].verdict.replaceChildren(...(known ? [make("span", {}, right ? "✓ right" : "✗ wrong"), " "] : []), percent(probabilities[place]));
    });
    if (!few) likeliestOf(said).forEach((place, at) => nameColumn(at, place));
    columns.forEach(({ bars, tops, name, element }) => {
      const label = Number(element.dataset.label);
      said.forEach(({ probabilities, said: top }, model) => {
        bars[model].parentElement.style.setProperty("--share", probabilities[label]);
        tops[model].textContent = label === top ? Math.round(100 * probabilities[label]) : "";
        bars[model].parentElement.classList.toggle("top", label === top);
      });
      name.classList.toggle("true", label === row.truth);
      element.classList.toggle("said", said.some(({ said: top }) => top === label));
    });
    SHOWN.forEach((place, at) => said.forEach(({ probabilities }, model) => { cells[at][model].textContent = percent(probabilities[place]); }));
    const unlike = row.familiar === false ? [" This row is far from every class of the training."] : [];
    sentence.replaceChildren(verdict(said.map(({ said: place }) => place)), ...unlike);
    chart.setAttribute("aria-label", titles.map((title, model) => `${title}: ${likeliest(said[model].probabilities)}`).join(". "));
    point();
  }

  // The true one is among them, however unlikely.
  function likeliestOf(said) {
    const most = (place) => Math.max(...said.map(({ probabilities }) => probabilities[place]));
    const found = [...SHOWN].sort((one, other) => most(other) - most(one)).slice(0, LIKELIEST);
    if (row.truth !== undefined && !found.includes(row.truth)) found.splice(-1, 1, row.truth);
    return found;
  }

  function verdict(said) {
    const [name, true_] = [NAMES[said[0]], NAMES[row.truth]];
    const agree = said.every((place) => place === said[0]);
    if (true_ === undefined) return agree ? `Both models say ${name}.` : "The models disagree.";
    if (agree) return said[0] === row.truth ? `Both models say ${true_}, and are right.` : `Both models say ${name}; it was ${true_}.`;
    const right = titles.find((_, model) => said[model] === row.truth);
    return `The models disagree; ${right ? `${right} is right` : `it was ${true_}`}.`;
  }

  function likeliest(probabilities) {
    return [...probabilities.keys()].sort((one, other) => probabilities[other] - probabilities[one]).slice(0, 3)
      .map((label) => `${NAMES[label]} ${percent(probabilities[label])}`).join(", ");
  }

  function point(label) {
    const which = few ? `each ${SERVED.noun}` : `the ${LIKELIEST} likeliest of ${COUNTED}`;
    pointed.textContent = label === undefined
      ? `Probability of ${which}, ${titles[0]} upwards, ${titles[1]} downwards; lines at 50 and 100 %.`
      : `${NAMES[label]}: ${titles.map((title) => `${title} ${percent(row.answers[title].probabilities[label])}`).join(", ")}.`;
  }
  chart.addEventListener("pointerover", ({ target }) => {
    const column = target.closest(".column");
    if (row && column) point(Number(column.dataset.label));
  });
  chart.addEventListener("pointerleave", () => point());

  point();
  return {
    show(given) {
      row = given;
      host.classList.remove("stale");
      showAnswers();
      ofFeatures.hidden = row.values === undefined;
      if (row.values) features.show(row.values);
      return `${sentence.textContent} ${titles.map((title) => `${title}: ${NAMES[row.answers[title].said]}`).join(", ")}.`;
    },
    fade: () => host.classList.add("stale"),
  };
}

// Names stand upright where their columns are too narrow for them.
function fitNames(chart, count, longest) {
  new ResizeObserver(() => {
    const wide = Math.min(chart.clientWidth / count, 160);
    chart.parentElement.parentElement.classList.toggle("turned", longest > 1 && wide < 9.5 * Math.min(longest, 12) + 10);
  }).observe(chart);
}
