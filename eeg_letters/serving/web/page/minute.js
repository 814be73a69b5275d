// The last rows as a strip, the newest on the right: of each model the wrong answers, of the decision how it stood, and the
// names of the true classes below.

const MINUTE = 60 * ROWS_A_SECOND;

// A row is { truth, said: the class by each model, decided, isStable }; places of classes.
function makeMinute(titles) {
  const rows = [];
  const lanes = [...titles, "Decision"].map((title) => ({ title, canvas: make("canvas"), count: make("span", { class: "quiet" }) }));
  const names = make("canvas", { class: "names" });
  const track = make("div", { class: "track" }, ...lanes.map(({ canvas }) => canvas), names);
  const element = make("div", { class: "strip minute", role: "img" }, make("div", { class: "lanes" },
    make("div", { class: "lane-names" }, ...lanes.map(({ title, count }) => make("span", { class: "lane-name" }, title, " ", count))), track));

  // Cut to whole pixels; undefined where nothing is seen of it.
  function contextOf(canvas) {
    const width = (canvas.width = Math.round(canvas.clientWidth * devicePixelRatio));
    const height = (canvas.height = Math.round(canvas.clientHeight * devicePixelRatio));
    return width && height ? canvas.getContext("2d") : undefined;
  }

  function draw() {
    const ink = Object.fromEntries(["accent", "wrong", "quiet", "control"].map((name) => [name, `rgb(${colour(`--${name}`)})`]));
    const xOf = (canvas, at) => Math.round(((MINUTE - rows.length + at) * canvas.width) / MINUTE);
    const wrong = lanes.map(({ canvas }, lane) => {
      const context = contextOf(canvas);
      const isDecision = lane === titles.length;
      let count = 0;
      rows.forEach(({ truth, said, decided, isStable }, at) => {
        const isWrong = truth !== undefined && (isDecision ? decided : said[lane]) !== truth;
        count += isWrong;
        if (!context || !(isWrong || isDecision)) return;
        const high = isDecision && !isStable ? canvas.height / 3 : canvas.height;
        context.fillStyle = isWrong ? ink.wrong : ink.accent;
        context.fillRect(xOf(canvas, at), canvas.height - high, xOf(canvas, at + 1) - xOf(canvas, at), high);
      });
      return count;
    });
    drawNames(contextOf(names), ink, xOf);
    lanes.forEach(({ count }, lane) => { count.textContent = plural(wrong[lane], "wrong", "wrong"); });
    element.setAttribute("aria-label", `The last ${plural(rows.length, "row")}: ${joined(lanes.map(({ title }, lane) => `${title} ${wrong[lane]} wrong`))}`);
  }

  function drawNames(context, ink, xOf) {
    if (!context) return;
    context.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const { label, start, end } of runsOf(rows.map(({ truth }) => truth))) {
      const [from, to] = [xOf(names, start), xOf(names, end)];
      context.fillStyle = ink.control;
      context.fillRect(from, 0, devicePixelRatio, names.height);
      context.fillStyle = ink.quiet;
      const name = label === undefined ? "" : shortened(SHORT[label], Math.max(1, Math.floor((to - from) / (7 * devicePixelRatio))));
      if (context.measureText(name).width < to - from) context.fillText(name, (from + to) / 2, names.height / 2);
    }
  }

  const ends = new AbortController();
  const resized = new ResizeObserver(draw);
  resized.observe(track);
  onTheme(draw, ends.signal);
  return {
    element, draw,
    add(row) {
      rows.push(row);
      if (rows.length > MINUTE) rows.shift();
    },
    end() {
      resized.disconnect();
      ends.abort();
    },
  };
}
