// The stored rows in their order, each sent when its time has come.

const ROWS_A_SECOND = 8;  // Of a headset.
const AHEAD = 32;  // Rows that are asked for before they are due, and that may wait for an answer.
const LAG = 200;  // Milliseconds that are caught up with, where the page was busy.

// From those of a recording, or a part of it, on: what is sent of each, and its powers as the maps show them.
async function* rowsInOrder(first, scale, signal) {
  const toPower = { log10: (value) => 10 ** value, dB: (value) => 10 ** (value / 10) }[scale] ?? ((value) => value);
  const ahead = [];
  let number = 0;

  async function load(line, truth, recording) {
    const row = { number: number++, line, truth };
    const stored = await patiently(() => ask(pathOf(recording, `line/${line}`), { signal, patience: 0 }), signal);
    // Names may be in another case than the models’.
    const folded = new Map(Object.entries(stored).map(([name, value]) => [name.toLowerCase(), value]));
    const given = SERVED.features.map((name) => Number(stored[name] ?? folded.get(name.toLowerCase())));
    return { ...row, given, values: given.map(toPower) };
  }

  const nextOf = ({ recording, next }) => patiently(() => rowsOf(recording, next, signal), signal);
  for (let part = first; ; part = await nextOf(part)) {
    for (const [place, line] of part.lines.entries()) {
      const row = load(line, part.truth[place], part.recording);
      row.catch(() => {});
      ahead.push(row);
      if (ahead.length > AHEAD) yield ahead.shift();
    }
    if (part.next === undefined) break;
  }
  yield* ahead;
}

// A service that restarts is asked until it answers.
async function patiently(work, signal) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (failure) {
      if (signal.aborted || !failure.passing) throw failure;
      await seconds(Math.max(failure.wait, Math.min(SOONEST * 2 ** attempt, LATEST)) * (1 + Math.random()) / 2, signal);
    }
  }
}

// ended(failure): there are no more rows, or no way to them.
function makePlayer(rows, stream, ended) {
  let isPlaying = false;
  let steps = 0;
  let speed = 1;
  let due = 0;
  let timer;
  let release;

  // Sends the row at hand if it may be sent; otherwise this is called again when something has changed.
  function look() {
    clearTimeout(timer);
    if (!release || !stream.isOpen || stream.waiting >= AHEAD || document.hidden) return;
    const now = performance.now();
    if (steps > 0) steps -= 1;
    else if (!isPlaying) return;
    else if (due > now) {
      timer = setTimeout(look, due - now);
      return;
    } else {
      due = Math.max(due + 1000 / (ROWS_A_SECOND * speed), now - LAG);
    }
    release();
    release = undefined;
  }

  async function run() {
    for await (const row of rows) {
      await new Promise((resolve) => {
        release = resolve;
        look();
      });
      stream.send(row);
    }
  }

  function set(plays, more) {
    isPlaying = plays;
    steps = more;
    due = performance.now();
    if (plays || more) stream.connect();
    look();
  }

  run().then(() => ended(), ended);
  return {
    look,
    get isPlaying() { return isPlaying; },
    play: () => set(true, 0),
    pause: () => set(false, 0),
    step: () => set(false, steps + 1),
    go(times) {
      speed = times;
      due = performance.now();
      look();
    },
  };
}
