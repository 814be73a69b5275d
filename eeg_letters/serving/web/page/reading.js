// One row as a person reads it: both answers beside the truth, 26 probabilities by each model, five maps.

function makeReading(host, { titles, features }) {
  const bands = [...new Set(features.map((name) => name.split("/")[1]))];
  const electrodes = [...new Set(features.map((name) => name.split("/")[0]))];
  const index = (electrode, band) => features.indexOf(`${electrode}/${band}`);
  let row;
  let chosen = "Oz";

  const sentence = make("p", { class: "sentence" });
  const truth = makeAnswer("Truth", "truth");
  const answers = titles.map((title, model) => makeAnswer(title, `model-${model}`));
  const columns = [...LETTERS].map((letter, label) => {
    const bars = titles.map(() => make("i"));
    const tops = titles.map(() => make("b"));
    const sides = titles.map((_, model) => make("span", { class: `side side-${model}` }, bars[model], tops[model]));
    const name = make("span", { class: "name" }, letter);
    return { bars, tops, name, element: make("div", { class: "column", "data-label": label }, sides[0], name, ...sides.slice(1)) };
  });
  const chart = make("div", { class: "chart", role: "img" }, ...columns.map(({ element }) => element));
  const pointed = make("p", { class: "quiet pointed" });
  const cells = [...LETTERS].map(() => titles.map(() => make("td")));
  const numbers = make("details", { class: "numbers" },
    make("summary", {}, "All 26 as a table"),
    make("table", {}, make("thead", {}, make("tr", {}, ...["Letter", ...titles].map((name) => make("th", { scope: "col" }, name)))),
      make("tbody", {}, ...cells.map((row, label) => make("tr", {}, make("th", { scope: "row" }, LETTERS[label]), ...row)))));

  const maps = bands.map((band) => makeMap(band));
  const legend = make("p", { class: "quiet legend" });

  host.replaceChildren(
    sentence,
    make("div", { class: "answers" }, answers[0].element, truth.element, ...answers.slice(1).map(({ element }) => element), chart),
    make("div", { class: "under" }, pointed, numbers),
    make("h3", {}, "Band power over the scalp"),
    make("div", { class: "maps" }, ...maps.map(({ element }) => element), legend),
  );
  host.classList.add("reading");

  function makeAnswer(title, kind) {
    const letter = make("b", { class: "letter" }, "\u00a0");
    const verdict = make("span", { class: "verdict" }, "\u00a0");
    const element = make("div", { class: `answer ${kind}` }, make("span", { class: "title" }, title), letter, verdict);
    return { letter, verdict, element };
  }

  function makeMap(band) {
    const canvas = make("canvas", { width: GRID, height: GRID, "aria-hidden": true });
    const value = make("span", { class: "value" });
    const bar = make("canvas", { class: "bar", "aria-hidden": true });
    const ticks = make("div", { class: "ticks" });
    drawBar(bar);
    const dots = new Map(electrodes.map((name) => {
      const [x, y] = PLACES[name];
      const label = make("svg:text", { x: 100 * x, y: 100 * y - 11, "aria-hidden": true }, name);
      const circles = [make("svg:circle", { class: "reach", r: 13 }), make("svg:circle", { class: "dot", r: 2.4 })];
      for (const circle of circles) {
        circle.setAttribute("cx", 100 * x);
        circle.setAttribute("cy", 100 * y);
      }
      return [name, make("svg:g", { class: "electrode", role: "img", tabindex: -1, "data-electrode": name }, ...circles, label)];
    }));
    const svg = make("svg:svg", { viewBox: "-154 -160 308 308", role: "group", "aria-label": `${band}, electrodes seen from above, nose up` },
      make("svg:path", { class: "head", d: "M-17-135 0-156 17-135M-135-22c-20-8-20 52 0 44M135-22c20-8 20 52 0 44" }),
      make("svg:circle", { class: "head", r: 100 * HEAD }),
      ...dots.values());
    // On the SVG itself a listener for focus would make it a stop of the Tab key.
    const head = make("div", { class: "scalp" }, canvas, svg);
    for (const type of ["pointerover", "pointerdown", "focusin"]) {
      head.addEventListener(type, ({ target }) => choose(target.closest("[data-electrode]")?.dataset.electrode));
    }
    head.addEventListener("keydown", (event) => {
      const to = electrodeBeside(chosen, event.key);
      if (!to) return;
      event.preventDefault();
      dots.get(to).focus();
    });
    const element = make("figure", { class: "map" }, make("figcaption", {}, make("b", {}, band), value), head, bar, ticks);
    return { band, canvas, value, dots, ticks, element };
  }

  function choose(electrode) {
    if (!electrode) return;
    chosen = electrode;
    for (const { band, value, dots } of maps) {
      const powerHere = row ? power(row.powers[index(electrode, band)]) : "";
      value.replaceChildren(`${electrode} `, make("b", {}, powerHere), make("span", { class: "unit" }, " µV²"));
      for (const [name, dot] of dots) {
        dot.setAttribute("tabindex", name === electrode ? 0 : -1);
        dot.classList.toggle("chosen", name === electrode);
      }
    }
  }

  function showScale(ticks, scale) {
    const [low, high] = scale.map(Math.log10);
    const marks = [];
    for (let decade = Math.floor(low); decade <= Math.ceil(high); decade++) {
      for (const digit of [1, 2, 5]) {
        const share = (decade + Math.log10(digit) - low) / (high - low);
        if (share < -0.001 || share > 1.001) continue;
        marks.push(make("span", { class: digit === 1 ? "tick" : "tick minor", "--at": `${100 * share}%` }, digit === 1 ? power(10 ** decade) : ""));
      }
    }
    ticks.replaceChildren(...marks);
  }

  function showAnswers() {
    const said = titles.map((title) => row.answers[title]);
    const known = row.truth !== undefined;
    truth.letter.textContent = known ? LETTERS[row.truth] : "–";
    truth.verdict.textContent = known ? "\u00a0" : "not known";
    truth.element.classList.toggle("unknown", !known);
    said.forEach(({ label, letter, probabilities }, model) => {
      const right = label === row.truth;
      answers[model].letter.textContent = letter;
      answers[model].element.classList.toggle("right", known && right);
      answers[model].element.classList.toggle("wrong", known && !right);
      answers[model].verdict.replaceChildren(...(known ? [make("span", {}, right ? "✓ right" : "✗ wrong"), " "] : []), percent(probabilities[label]));
    });
    columns.forEach(({ bars, tops, name, element }, label) => {
      said.forEach(({ probabilities, label: top }, model) => {
        bars[model].parentElement.style.setProperty("--share", probabilities[label]);
        tops[model].textContent = label === top ? Math.round(100 * probabilities[label]) : "";
        bars[model].parentElement.classList.toggle("top", label === top);
        cells[label][model].textContent = percent(probabilities[label]);
      });
      name.classList.toggle("true", label === row.truth);
      element.classList.toggle("said", said.some(({ label: top }) => top === label));
    });
    sentence.textContent = verdict(said.map(({ letter }) => letter), known ? LETTERS[row.truth] : undefined);
    chart.setAttribute("aria-label", titles.map((title, model) => `${title}: ${likeliest(said[model].probabilities)}`).join(". "));
    point();
  }

  function verdict(letters, true_) {
    const agree = letters.every((letter) => letter === letters[0]);
    if (true_ === undefined) return agree ? `Both models say ${letters[0]}.` : "The models disagree.";
    if (agree) return letters[0] === true_ ? `Both models say ${true_}, and are right.` : `Both models say ${letters[0]}; it was ${true_}.`;
    const right = titles.find((_, model) => letters[model] === true_);
    return `The models disagree; ${right ? `${right} is right` : `it was ${true_}`}.`;
  }

  function likeliest(probabilities) {
    return [...probabilities.keys()].sort((one, other) => probabilities[other] - probabilities[one]).slice(0, 3)
      .map((label) => `${LETTERS[label]} ${percent(probabilities[label])}`).join(", ");
  }

  function point(label) {
    pointed.textContent = label === undefined
      ? `Probability of each letter, ${titles[0]} upwards, ${titles[1]} downwards; lines at 50 and 100 %.`
      : `${LETTERS[label]}: ${titles.map((title) => `${title} ${percent(row.answers[title].probabilities[label])}`).join(", ")}.`;
  }
  chart.addEventListener("pointerover", ({ target }) => {
    const column = target.closest(".column");
    if (row && column) point(Number(column.dataset.label));
  });
  chart.addEventListener("pointerleave", () => point());

  function showMaps() {
    const unusual = [];
    for (const { band, canvas, dots, ticks } of maps) {
      const powers = electrodes.map((electrode) => row.powers[index(electrode, band)]);
      const scale = scaleFor(band, powers);
      showScale(ticks, scale);
      if (scale !== SCALES[band]) unusual.push(band);
      drawField(canvas, electrodes, powers, scale);
      electrodes.forEach((name, at) => dots.get(name).setAttribute("aria-label", `${name}, ${band}: ${power(powers[at])} µV²`));
    }
    legend.textContent = "Power in µV², by convention. Scales are logarithmic, one a band, the same for all lines; contours at 1, 2, 5, 10 …"
      + (unusual.length ? ` Powers of this row are far from the usual in ${unusual.join(", ")}: it has scales of its own there.` : "");
    choose(chosen);
  }

  point();
  for (const { band, ticks } of maps) showScale(ticks, SCALES[band] ?? SCALES.alpha);
  choose(chosen);
  return {
    show(given) {
      row = given;
      host.classList.remove("stale");
      showAnswers();
      showMaps();
      return `${sentence.textContent} ${titles.map((title) => `${title}: ${row.answers[title].letter}`).join(", ")}.`;
    },
    fade: () => host.classList.add("stale"),
  };
}

// The nearest electrode in an arrow key's direction, sooner one straight ahead.
function electrodeBeside(from, key) {
  const ahead = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (!ahead) return undefined;
  const [x, y] = PLACES[from];
  let best = [Infinity, from];
  for (const [name, place] of Object.entries(PLACES)) {
    const [right, down] = [place[0] - x, place[1] - y];
    const along = right * ahead[0] + down * ahead[1];
    const aside = Math.abs(right * ahead[1]) + Math.abs(down * ahead[0]);
    if (along > 0.01 && along + 2 * aside < best[0]) best = [along + 2 * aside, name];
  }
  return best[1];
}
