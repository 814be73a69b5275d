// Features as bars: band powers as a table of electrodes and bands, others one by one, to both sides of zero.

// Some features of the kind that a map cannot show, by electrode and band.
function makePowerBars(features) {
  const electrodes = [...new Set(features.map((at) => SERVED.electrodes[at]))];
  const bands = BANDS.filter((band) => features.some((at) => SERVED.bands[at] === band));
  const wanted = new Set(features);
  const cells = [];
  const rows = electrodes.map((electrode) => make("tr", {}, make("th", { scope: "row", class: "cut", title: electrode }, electrode), ...bands.map((band) => {
    const at = featureOf(electrode, band);
    if (!wanted.has(at)) return make("td", {}, "–");
    const value = make("span");
    const bar = make("i");
    cells.push({ at, band, value, bar });
    return make("td", {}, value, bar);
  })));
  const note = make("p", { class: "quiet" });
  const table = make("table", { class: "powers" },
    make("thead", {}, make("tr", {}, make("td"), ...bands.map((band) => make("th", { scope: "col" }, band)))), make("tbody", {}, ...rows));

  return {
    element: make("div", {}, region("Band powers", table), note),
    tell(values) {
      const scales = new Map(bands.map((band) => [band, scaleFor(band, cells.filter((cell) => cell.band === band).map(({ at }) => values[at]))]));
      for (const { at, band, value, bar } of cells) {
        const [low, high] = scales.get(band).map(Math.log10);
        value.textContent = power(values[at]);
        bar.style.setProperty("--share", within((Math.log10(values[at]) - low) / (high - low)));
      }
      const ranges = bands.map((band) => `${band} ${scales.get(band).map(power).join(" to ")}`);
      note.textContent = `Power in µV², by convention. Bars are logarithmic, one scale a band: ${ranges.join(", ")}.`;
    },
  };
}

// All features, each with its bar. The scale is that of the row: nothing is known of the unit.
function makeFeatureBars() {
  const bars = SERVED.features.map((name) => {
    const value = make("span", { class: "number" });
    const bar = make("i");
    return { value, bar, element: make("li", {}, make("span", { class: "cut", title: name }, name), value, make("span", { class: "zero" }, bar)) };
  });
  const note = make("p", { class: "quiet" });
  return {
    element: make("div", {}, region("Features", make("ul", { class: "features" }, ...bars.map(({ element }) => element))), note),
    tell(values) {
      const sizes = values.map(Math.abs).sort((one, other) => one - other);
      const [middle, most] = [sizes[Math.floor(sizes.length / 2)], sizes.at(-1)];
      // Where one is far larger than the others, these would have no bar to be seen.
      const bent = middle > 0 && most / middle > 100;
      const size = (value) => (bent ? Math.asinh(Math.min(Math.abs(value) / middle, 1e300)) : Math.abs(value));
      bars.forEach(({ value, bar }, at) => {
        value.textContent = power(values[at]);
        bar.style.setProperty("--share", most > 0 ? within(size(values[at]) / size(most)) : 0);
        bar.classList.toggle("below", values[at] < 0);
      });
      note.textContent = `One scale for all of this row, from ${power(-most)} to ${power(most)}, zero in the middle${bent ? "; logarithmic towards its ends" : ""}.`;
    },
  };
}

const within = (share) => Math.min(Math.max(share, 0), 1) || 0;

// It scrolls where it is high, so the keyboard must get there.
const region = (label, content) => make("div", { class: "bars", tabindex: 0, role: "region", "aria-label": label }, content);
