// The view of the log: which part of it is asked for, and when. The newest is asked for again while it is looked at.

const FOLLOW_SECONDS = 2;
const ENTRIES = 100;

let isFollowing = true;
let logAfter;  // Of which entry those before are shown; the newest where there is none.
let logNext = null;
let logTimer;
let logUnderWay;

const isLogSeen = () => !document.hidden && !$("view-log").hidden;

function openLog() {
  askLog();
}

// Once more; and again after a while, where that is followed.
async function askLog() {
  clearTimeout(logTimer);
  logUnderWay?.abort();
  if (!isLogSeen() || !mayAsk()) return;
  const { signal } = (logUnderWay = new AbortController());
  const again = (pause) => {
    if (isFollowing && logAfter === undefined) logTimer = setTimeout(askLog, 1000 * pause);
  };
  try {
    const [{ entries, next }, facts] = await Promise.all([askLogged(`predictions/log?${logQuery()}`, { signal, patience: 0 }), models()]);
    if (signal.aborted) return;
    logNext = next;
    showEntries(entries, facts.map(({ title }) => title));
    tellProblem("");
    tellState(entries.length);
    again(FOLLOW_SECONDS);
  } catch (failure) {
    if (signal.aborted) return;
    if (!(failure instanceof Failure)) throw failure;
    const follows = failure.passing && isFollowing && logAfter === undefined;
    const pause = Math.max(failure.wait, FOLLOW_SECONDS);
    tellProblem(follows ? `${failure.message} Asking again in ${pause} s.` : failure.message, failure.passing && !follows);
    if (failure.passing) again(pause);
  }
}

function logQuery() {
  const since = $("log-since").value && new Date($("log-since").value).toISOString();
  const asked = { label: $("log-label").value, familiar: $("log-familiar").value, session: $("log-session").value.trim(), since, after: logAfter };
  return new URLSearchParams({ limit: ENTRIES, ...Object.fromEntries(Object.entries(asked).filter(([, value]) => value)) });
}

// The same sentence again is not read out again.
function tellProblem(sentence, mayBeAskedAgain = false) {
  if (($("log-problem").querySelector("p")?.textContent ?? "") === sentence) return;
  const again = make("button", { type: "button", onclick: askLog }, "Try again");
  $("log-problem").replaceChildren(...(sentence ? [make("p", {}, sentence)] : []), ...(mayBeAskedAgain ? [again] : []));
}

function tellState(count) {
  $("follow").textContent = isFollowing ? "Pause" : "Follow";
  $("newest").disabled = logAfter === undefined;
  $("older").disabled = logNext === null;
  const kept = SERVED.database.keeps ? "" : " Nothing is kept now: EEG_KEEP_PREDICTIONS is not set.";
  const what = count ? `${logAfter === undefined ? "The newest" : "Older"}: ${plural(count, "row")}` : "There is nothing.";
  const when = logAfter === undefined && isFollowing ? `, followed every ${FOLLOW_SECONDS} s` : "";
  $("log-state").textContent = `${what}${count ? `${when}.` : ""}${kept}`;
}

function showFrom(after) {
  logAfter = after;
  $("log-list").scrollTop = 0;
  return askLog();
}

function forgetLog() {
  clearTimeout(logTimer);
  logUnderWay?.abort();
  logAfter = undefined;
  forgetEntry();
  forgetEntries();
  tellProblem("");
  $("log-state").textContent = "";
}

$("log-label").append(...SHOWN.map((place) => make("option", { value: SERVED.labels[place] }, shortened(NAMES[place], 60))));
$("log-filters").addEventListener("change", () => showFrom(undefined));
$("log-filters").addEventListener("submit", (event) => {
  event.preventDefault();
  showFrom(undefined);
});
// The fields are empty after the event.
$("log-filters").addEventListener("reset", () => setTimeout(() => showFrom(undefined)));
$("follow").addEventListener("click", () => {
  isFollowing = !isFollowing;
  $("follow").textContent = isFollowing ? "Pause" : "Follow";
  if (isFollowing) showFrom(undefined);
  else {
    clearTimeout(logTimer);
    tellState(shownEntries.size);
  }
});
$("newest").addEventListener("click", () => showFrom(undefined));
$("older").addEventListener("click", () => showFrom(logNext));
document.addEventListener("visibilitychange", () => {
  if (isFollowing && logAfter === undefined) askLog();
});
