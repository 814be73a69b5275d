// A recording line by line: a lane a model, a mark for each wrong answer, names of classes below. Also the way to a line.

// Lines in sequence of the same class.
function runsOf(truth) {
  const runs = [];
  truth.forEach((label, place) => {
    const last = runs.at(-1);
    if (last?.label === label) last.end = place + 1;
    else runs.push({ label, start: place, end: place + 1 });
  });
  return runs;
}

// The stretches whose share of right answers is drawn: the runs, or where classes follow each other in no order, so that a
// run is hardly more than a line, forty of one length.
function stretchesOf(runs, count) {
  if (count >= 4 * runs.length || count < 40) return { stretches: runs, of: `run of one ${SERVED.noun}` };
  const length = Math.ceil(count / 40);
  const stretches = Array.from({ length: Math.ceil(count / length) }, (_, at) => ({ start: at * length, end: Math.min((at + 1) * length, count) }));
  return { stretches, of: `stretch of ${plural(length, "line")}` };
}

// A name below its run only where there is room for some of it.
function runName({ label, start, end }, count, runs) {
  const room = (1000 * (end - start)) / count;
  return runs <= 80 && (NAMES[label].length === 1 || room >= 8 * Math.min(NAMES[label].length, 5)) ? SHORT[label] : "";
}

// follow: whether moving along the strip goes to the line at once, or by Enter. tell: told of a place pointed at, or the
// one where the strip is, and then its number.
function makeStrip(host, { titles, lines, truth, said }, { label, follow, profile, go, tell }) {
  const count = lines.length;
  const runs = runsOf(truth);
  const { stretches } = stretchesOf(runs, count);
  const wrong = titles.map((title) => said[title].map((answer, place) => answer !== truth[place]));
  const canvases = titles.map(() => make("canvas"));
  const cursor = make("span", { class: "cursor" });
  const letters = make("div", { class: "letters" }, ...(runs.length <= 80 || (stretches === runs && runs.length <= 150) ? runs : []).map((run) =>
    make("span", { "--at": `${(100 * run.start) / count}%`, "--wide": `${(100 * (run.end - run.start)) / count}%`, title: NAMES[run.label].length > 1 && NAMES[run.label] }, runName(run, count, runs.length))));
  const track = make("div", { class: "track", role: "slider", tabindex: 0, "aria-label": label, "aria-valuemin": 0, "aria-valuemax": count - 1 },
    ...canvases, letters, cursor);
  const names = titles.map((title, model) => make("span", { class: "lane-name" }, title, make("span", { class: "quiet" }, ` ${plural(wrong[model].filter(Boolean).length, "wrong", "wrong")}`)));
  host.classList.add("strip");
  host.classList.toggle("tall", Boolean(profile));
  host.replaceChildren(make("div", { class: "lanes" }, make("div", { class: "lane-names" }, ...names), track));
  let at = 0;

  function describe(place) {
    const answers = titles.map((title) => {
      const answer = said[title][place];
      return `${title} ${NAMES[answer]} ${answer === truth[place] ? "✓" : "✗"}`;
    });
    return `Line ${lines[place]}, truth ${NAMES[truth[place]]}: ${answers.join(", ")}`;
  }

  function draw() {
    const [ink, mark] = [colour("--text"), colour("--wrong")].map((parts) => `rgb(${parts})`);
    canvases.forEach((canvas, model) => {
      const width = (canvas.width = Math.round(canvas.clientWidth * devicePixelRatio));
      const height = (canvas.height = Math.round(canvas.clientHeight * devicePixelRatio));
      const context = canvas.getContext("2d");
      if (!width || !height) return;
      context.fillStyle = mark;
      const head = profile ? Math.round(height * 0.55) : 0;
      const per = Math.max(1, Math.ceil(width / count));
      for (let x = 0; x < width; x += 1) {
        const [from, to] = [Math.floor((x * count) / width), Math.max(Math.floor(((x + 1) * count) / width), Math.floor((x * count) / width) + 1)];
        let sum = 0;
        for (let place = from; place < to; place++) sum += wrong[model][place];
        const share = sum / (to - from);
        if (share) context.fillRect(x, height - (height - head) * share, 1, (height - head) * share);
      }
      if (!profile) return;
      context.strokeStyle = ink;
      context.lineWidth = 1.5 * devicePixelRatio;
      context.beginPath();
      const top = context.lineWidth;
      for (const { start, end } of stretches) {
        let sum = 0;
        for (let place = start; place < end; place++) sum += wrong[model][place];
        const y = top + (head - 3 * top) * (sum / (end - start));
        context.lineTo((start * width) / count, y);
        context.lineTo((end * width) / count, y);
      }
      context.stroke();
    });
  }

  function move(place) {
    at = Math.min(Math.max(place, 0), count - 1);
    track.setAttribute("aria-valuenow", at);
    track.setAttribute("aria-valuetext", describe(at));
    track.style.setProperty("--at", `${(100 * (at + 0.5)) / count}%`);
    tell(describe(at), at);
  }

  const placeOf = (event) => {
    const box = track.getBoundingClientRect();
    return Math.floor(((event.clientX - box.left) / box.width) * count);
  };
  const inside = (place) => Math.min(Math.max(place, 0), count - 1);
  track.addEventListener("pointermove", (event) => {
    tell(describe(inside(placeOf(event))));
  });
  track.addEventListener("pointerleave", () => tell(describe(at), at));
  track.addEventListener("click", (event) => {
    move(placeOf(event));
    go(lines[at]);
  });
  track.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      go(lines[at]);
      return;
    }
    const run = Math.max(1, Math.round(count / SHOWN.length));
    const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - run, PageUp: at + run, Home: 0, End: count - 1 }[event.key];
    if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    move(to);
    if (follow) go(lines[at], true);
  });
  const ends = new AbortController();
  const resized = new ResizeObserver(draw);
  resized.observe(track);
  onTheme(draw, ends.signal);
  move(0);
  return {
    move,
    end() {
      resized.disconnect();
      ends.abort();
    },
  };
}
