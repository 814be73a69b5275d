// Band powers as maps of the scalp, one a band, as far as there are places for them; and all other features as bars.

const LEAST_PLACES = 4;
const UNIT = SERVED.arePowers ? " µV²" : "";
const BANDS = [...new Set(SERVED.bands.filter((band) => band !== null))];
// The feature of an electrode in a band.
const FEATURE = new Map(SERVED.features.map((_, at) => [JSON.stringify([SERVED.electrodes[at], SERVED.bands[at]]), at]));
const featureOf = (electrode, band) => FEATURE.get(JSON.stringify([electrode, band]));

// What is shown of a row's features: elements, and functions that are given the values: all that can be read is told, and maps,
// where there are any, are drawn besides.
function makeFeatures() {
  const placed = BANDS.map((band) => ({ band, electrodes: Object.keys(PLACES).filter((name) => featureOf(name, band) !== undefined) }))
    .filter(({ electrodes }) => electrodes.length >= LEAST_PLACES);
  const mapped = new Set(placed.flatMap(({ band, electrodes }) => electrodes.map((name) => featureOf(name, band))));
  const rest = [...SERVED.features.keys()].filter((at) => !mapped.has(at));
  const maps = placed.length ? [makeMaps(placed)] : [];
  const bars = rest.length ? [SERVED.arePowers ? makePowerBars(rest) : makeFeatureBars()] : [];
  const heading = SERVED.arePowers ? (maps.length ? "Band power over the scalp" : "Band powers") : "Features";
  const tell = (values) => [...maps, ...bars].forEach((part) => part.tell(values));
  return {
    elements: [
      make("h3", {}, heading), ...maps.map(({ element }) => element),
      ...(maps.length && bars.length ? [make("h3", {}, "Not on the maps")] : []), ...bars.map(({ element }) => element),
    ],
    tell,
    draw: maps[0]?.draw,
    show(values) {
      tell(values);
      maps[0]?.draw(values);
    },
  };
}

function makeMaps(placed) {
  const everywhere = [...new Set(placed.flatMap(({ electrodes }) => electrodes))];
  let values;
  let chosen = everywhere.includes("Oz") ? "Oz" : everywhere[0];
  const maps = placed.map(({ band, electrodes }) => makeMap(band, electrodes));
  const legend = make("p", { class: "quiet legend" });
  // Five in a row, or two rows as long as each other.
  const across = maps.length <= 5 ? maps.length : Math.ceil(maps.length / 2);
  const element = make("div", { class: "maps", "--across": across }, ...maps.map(({ element }) => element), legend);

  function makeMap(band, electrodes) {
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
      const to = electrodeBeside(chosen, event.key, electrodes);
      if (!to) return;
      event.preventDefault();
      dots.get(to).focus();
    });
    const element = make("figure", { class: "map" }, make("figcaption", {}, make("b", { title: band.length > 8 && band }, band), value), head, bar, ticks);
    return { band, electrodes, canvas, value, dots, ticks, element };
  }

  function choose(electrode) {
    if (!electrode) return;
    chosen = electrode;
    for (const { band, electrodes, value, dots } of maps) {
      const at = featureOf(electrode, band);
      const here = values && at !== undefined ? power(values[at]) : "";
      value.replaceChildren(`${electrode} `, ...(at === undefined ? ["–"] : [make("b", {}, here), make("span", { class: "unit" }, UNIT)]));
      // A map that lacks the electrode is still reached by the Tab key.
      const stop = at === undefined ? electrodes[0] : electrode;
      for (const [name, dot] of dots) {
        dot.setAttribute("tabindex", name === stop ? 0 : -1);
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

  const powersOf = (row, { band, electrodes }) => electrodes.map((electrode) => row[featureOf(electrode, band)]);

  function draw(row) {
    for (const map of maps) {
      const powers = powersOf(row, map);
      drawField(map.canvas, map.electrodes, powers, scaleFor(map.band, powers));
    }
  }

  function tell(given) {
    values = given;
    const unusual = [];
    for (const map of maps) {
      const { band, electrodes, dots, ticks } = map;
      const powers = powersOf(values, map);
      const scale = scaleFor(band, powers);
      showScale(ticks, scale);
      if (scale !== usualScale(band)) unusual.push(band);
      electrodes.forEach((name, at) => dots.get(name).setAttribute("aria-label", `${name}, ${band}: ${power(powers[at])}${UNIT}`));
    }
    legend.textContent = "Power in µV², by convention. Scales are logarithmic, one a band, the same for all lines; contours at 1, 2, 5, 10 …"
      + (unusual.length ? ` Powers of this row are far from the usual in ${unusual.join(", ")}: it has scales of its own there.` : "");
    choose(chosen);
  }

  for (const { band, ticks } of maps) showScale(ticks, usualScale(band));
  choose(chosen);
  return { element, tell, draw };
}

// The nearest electrode in an arrow key's direction, sooner one straight ahead.
function electrodeBeside(from, key, among = Object.keys(PLACES)) {
  const ahead = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (!ahead) return undefined;
  const [x, y] = PLACES[from];
  let best = [Infinity, from];
  for (const name of among) {
    const place = PLACES[name];
    const [right, down] = [place[0] - x, place[1] - y];
    const along = right * ahead[0] + down * ahead[1];
    const aside = Math.abs(right * ahead[1]) + Math.abs(down * ahead[0]);
    if (along > 0.01 && along + 2 * aside < best[0]) best = [along + 2 * aside, name];
  }
  return among.includes(best[1]) ? best[1] : among[0];
}
