// The view that plays the stored rows as a headset would send them: what the service answers to each over one connection.

const SHOWN_EVERY = 100;  // Milliseconds: more often nobody reads.
const STILL_EVERY = 500;  // The same for who wants nothing to move.
const SAID_EVERY = 5000;
const LATENCIES = 128;

const wantsStill = matchMedia("(prefers-reduced-motion: reduce)");
let live;  // What is played: its player, stream and elements.

function openLive() {
  const recording = shown?.recording ?? OWN;
  const hasRows = SERVED.hasRows || recording !== OWN;
  $("live").hidden = !hasRows;
  $("live-absent").textContent = hasRows ? "" : NO_ROWS;
  if (hasRows && live?.recording !== recording) beginLive(recording);
}

// From the first row on.
function beginLive(recording) {
  endLive();
  return inPlace("live-problem", async (signal) => {
    const [facts, first] = await Promise.all([models(), recording === OWN ? overview() : rowsOf(recording, undefined, signal)]);
    if (!signal.aborted) live = makeLive(recording, first, facts);
  });
}

function endLive() {
  live?.end();
  live = undefined;
}

function leaveLive() {
  live?.leave();
}

function makeLive(recording, first, facts) {
  const titles = facts.map(({ title }) => title);
  const over = new AbortController();
  const counts = { answered: 0, refused: 0, unlike: 0, judged: 0 };
  const latencies = [];
  const view = makeLiveView(titles);
  let trouble = "";
  let isDone = false;
  let latest;
  let timer;
  let shownAt = 0;
  let said = { at: -SAID_EVERY };

  const address = new URL("live", location);
  address.protocol = address.protocol.replace("http", "ws");
  const stream = makeStream(address.href, {
    answered: take,
    told(sentence, isOver) {
      trouble = sentence;
      if (isOver) player.pause();
      player.look();
      tell();
    },
  });
  const player = makePlayer(rowsInOrder(first, facts[0].scale, over.signal), stream, end);
  player.go(Number($("speed").value));
  const count = () => view.count({ ...counts, sent: counts.answered + stream.waiting }, latencies);
  $("live-reading").replaceChildren(view.element);
  tell();

  function take(row, answer, latency) {
    counts.answered += 1;
    latencies.push(latency);
    if (latencies.length > LATENCIES) latencies.shift();
    if (answer.error) {
      counts.refused += 1;
      // Of many one is told.
      if (counts.refused === 1) $("live-problem").replaceChildren(make("p", {}, `Line ${row.line}: ${answer.error.detail}`));
    } else {
      if (answer.familiar !== undefined) counts.judged += 1;
      if (answer.familiar === false) counts.unlike += 1;
      latest = { row, answer };
      view.minute.add({
        truth: row.truth, said: titles.map((title) => CLASSES.get(answer[title].label)),
        decided: CLASSES.get(answer.decision.label), isStable: answer.decision.stable,
      });
      view.move(row.values);
    }
    showSoon();
    player.look();
    if (isDone && !stream.waiting) {
      stream.leave();
      tell();
    }
  }

  // The newest, whatever came in between.
  function showSoon() {
    timer ??= setTimeout(() => {
      timer = undefined;
      shownAt = performance.now();
      tell();
      view.minute.draw();
      if (!latest) return;
      view.show(latest);
      announce(latest);
      latest = undefined;
    }, Math.max(0, shownAt + (wantsStill.matches ? STILL_EVERY : SHOWN_EVERY) - performance.now()));
  }

  // While it plays only decisions that are stable and others than before, and not one after the other; a row that was
  // stepped to, whole.
  function announce({ row, answer }) {
    const { decision } = answer;
    const name = NAMES[CLASSES.get(decision.label)];
    if (!player.isPlaying) {
      const answers = titles.map((title) => `${title}: ${NAMES[CLASSES.get(answer[title].label)]}`);
      say(`Line ${row.line}, truth ${NAMES[row.truth]}. ${answers.join(", ")}. Decision: ${name}, ${decision.stable ? "stable" : "not stable"}.`);
    } else if (decision.stable && name !== said.name && performance.now() >= said.at + SAID_EVERY) {
      said = { name, at: performance.now() };
      say(`Decision: ${name}.`);
    }
  }

  function end(failure) {
    if (over.signal.aborted) return;
    isDone = true;
    player.pause();
    if (failure && !(failure instanceof Failure)) throw failure;
    if (failure) $("live-problem").replaceChildren(make("p", {}, failure.message));
    tell();
  }

  function tell() {
    count();
    $("play").textContent = player.isPlaying ? "Pause" : "Play";
    $("row-step").disabled = isDone;
    const done = isDone ? "That was the last row. Play begins again." : player.isPlaying ? "Playing." : counts.answered ? "Paused." : "";
    const sentence = trouble || done;
    // The same again would be read out again.
    if ($("live-state").textContent !== sentence) $("live-state").textContent = sentence;
  }

  return {
    recording, stream, player, tell,
    get isDone() { return isDone; },
    leave() {
      player.pause();
      stream.leave();
      trouble = "";
      tell();
    },
    end() {
      over.abort();
      clearTimeout(timer);
      stream.close();
      view.end();
    },
  };
}

async function toggleLive() {
  if (!live || live.isDone) await beginLive(shown?.recording ?? OWN);
  if (!live) return;
  if (live.player.isPlaying) live.player.pause();
  else live.player.play();
  live.tell();
}

async function stepLive() {
  if (!live) await beginLive(shown?.recording ?? OWN);
  live?.player.step();
  live?.tell();
}

$("speed").append(...[1, 2, 4, 8, 16].map((times) => make("option", { value: times }, `${times} ×: ${ROWS_A_SECOND * times} rows a second`)));
$("speed").addEventListener("change", () => live?.player.go(Number($("speed").value)));
$("play").addEventListener("click", toggleLive);
$("row-step").addEventListener("click", stepLive);
document.addEventListener("visibilitychange", () => live?.player.look());
