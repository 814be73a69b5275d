// What is known at the moment: the decision beside the truth, what each model finds likeliest, the last minute, and the row's
// features.

const PLACES_SHOWN = 5;
const SETTLING = 80;  // In so many milliseconds maps come to a third of the way to a row.
const FRAME = 30;  // Between two pictures; each takes some of them.

function makeLiveView(titles) {
  const [decision, truth] = ["Decision", "Truth"].map((title) => {
    const letter = make("b", { class: "letter" }, "\u00a0");
    const verdict = make("span", { class: "verdict" }, "\u00a0");
    const more = make("span", { class: "quiet" }, "\u00a0");
    return { letter, verdict, more, element: make("div", { class: "decided" }, make("span", { class: "title" }, title), letter, verdict, more) };
  });
  truth.element.classList.add("truth");
  const lists = titles.map((title) => {
    const verdict = make("span", { class: "verdict" });
    const items = Array.from({ length: Math.min(PLACES_SHOWN, SHOWN.length) }, () => {
      const [name, share, bar] = [make("span", { class: "cut" }), make("span", { class: "number" }), make("i")];
      return { name, share, bar, element: make("li", {}, name, make("span", { class: "share" }, bar), share) };
    });
    return { title, verdict, items, element: make("div", { class: LONGEST > 4 ? "likeliest long" : "likeliest", "--signs": LONGEST }, make("h3", {}, title, " ", verdict), make("ol", {}, ...items.map(({ element }) => element))) };
  });
  const facts = Object.fromEntries(["Line", "Rows sent", "Rows answered", "Median latency here", "Unlike the training"].map((name) => [name, make("dd", {}, "–")]));
  const minute = makeMinute(titles);
  const features = makeFeatures();
  const motion = features.draw && makeMotion(features.draw);
  const ofFeatures = make("div", {}, ...features.elements);
  const element = make("div", { class: "reading", hidden: true },
    make("div", { class: "now" }, decision.element, truth.element, ...lists.map(({ element }) => element)),
    make("dl", { class: "gauges" }, ...Object.entries(facts).map(([name, value]) => make("div", {}, make("dt", {}, name), value))),
    make("h3", {}, "The last minute"), minute.element,
    make("p", { class: "quiet" }, `${whole(MINUTE)} rows, the newest on the right: wrong answers of each model; the decision in full height where it is stable. It adds up what both models say of the last second, as if each row were another witness, so it is surer than it is right.`),
    ofFeatures);

  function showDecision({ truth: place }, { label, probability, rows, stable }) {
    const decided = CLASSES.get(label);
    const known = place !== undefined;
    name(decision, decided);
    name(truth, place);
    decision.element.classList.toggle("stable", stable);
    decision.element.classList.toggle("right", known && decided === place);
    decision.element.classList.toggle("wrong", known && decided !== place);
    decision.verdict.replaceChildren(...(known ? [make("span", {}, decided === place ? "✓ right" : "✗ wrong"), " "] : []), stable ? "stable" : "not stable");
    decision.more.textContent = `${percent(probability)} by ${plural(rows, "row")}`;
  }

  function name({ letter }, place) {
    const text = place === undefined ? "–" : NAMES[place];
    letter.replaceChildren(make("span", {}, text));
    letter.style.setProperty("--signs", Math.max(text.length, 2));
    letter.classList.toggle("word", text.length > 1);
    if (text.length > 1) letter.setAttribute("title", text);
    else letter.removeAttribute("title");
  }

  function showList({ title, items, verdict }, { truth: place }, answer) {
    const right = CLASSES.get(answer[title].label) === place;
    verdict.textContent = place === undefined ? "" : right ? "✓ right" : "✗ wrong";
    verdict.parentElement.className = place === undefined ? "" : right ? "right" : "wrong";
    items.forEach(({ name, share, bar, element }, at) => {
      const { label, probability } = answer[title].likeliest[at];
      const here = CLASSES.get(label);
      name.textContent = SHORT[here];
      name.title = NAMES[here].length > 1 ? NAMES[here] : "";
      share.textContent = percent(probability);
      bar.style.setProperty("--share", probability);
      element.classList.toggle("true", here === place);
    });
  }

  return {
    minute, element,
    move(values) {
      element.hidden = false;
      if (!wantsStill.matches) motion?.to(values);
    },
    show({ row, answer }) {
      showDecision(row, answer.decision);
      for (const list of lists) showList(list, row, answer);
      facts.Line.textContent = String(row.line);
      features.tell(row.values);
      if (wantsStill.matches) motion?.at(row.values);
    },
    count({ sent, answered, refused, unlike, judged }, latencies) {
      facts["Rows sent"].textContent = whole(sent);
      facts["Rows answered"].textContent = `${whole(answered)}${refused ? `, ${whole(refused)} refused` : ""}`;
      const sorted = [...latencies].sort((one, other) => one - other);
      facts["Median latency here"].textContent = sorted.length ? `${power(sorted[Math.floor(sorted.length / 2)])}\u00a0ms` : "–";
      facts["Unlike the training"].textContent = judged ? percent(unlike / judged) : "–";
    },
    end() {
      motion?.end();
      minute.end();
    },
  };
}

// Draws values that go from those of one row to those of the next, each a share of the way that is left: rows that come
// faster than it settles are evened out.
function makeMotion(draw) {
  let now;
  let target;
  let frame;
  let before;

  function next(time) {
    frame = requestAnimationFrame(next);
    if (time - before < FRAME) return;
    const share = 1 - Math.exp((before - time) / SETTLING);
    before = time;
    const gaps = now.map((value, place) => target[place] - value);
    const isThere = gaps.every((gap) => Math.abs(gap) < 0.005);
    now = isThere ? target : now.map((value, place) => value + share * gaps[place]);
    draw(now.map((value) => 10 ** value));
    if (isThere) end();
  }

  function end() {
    cancelAnimationFrame(frame);
    frame = undefined;
  }

  return {
    to(values) {
      target = values.map((value) => Math.log10(Math.max(value, Number.MIN_VALUE)));
      now ??= target;
      if (frame) return;
      before = performance.now();
      frame = requestAnimationFrame(next);
    },
    at(values) {
      end();
      now = undefined;
      draw(values);
    },
    end,
  };
}
