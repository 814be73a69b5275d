// Which view is open, by the address.

const TITLE = document.title;
const VIEWS = { line: "Stored lines", rows: "Your rows", models: "Models", live: "Live", ...(SERVED.database?.log ? { log: "Log" } : {}) };

function open() {
  const asked = new URLSearchParams(location.search);
  const line = asked.has("line") || (SERVED.database && asked.has("recording"));
  const first = SERVED.hasRows || line ? "line" : "rows";
  const view = line || !Object.hasOwn(VIEWS, asked.get("view")) ? first : asked.get("view");
  const within = $("main").contains(document.activeElement) && document.activeElement !== $("main");
  if (within && !$(`view-${view}`).contains(document.activeElement)) $("main").focus();
  for (const name of Object.keys(VIEWS)) $(`view-${name}`).hidden = name !== view;
  for (const link of document.querySelectorAll("nav [data-view]")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${VIEWS[view]} – ${TITLE}`;
  $("problem").replaceChildren();
  say("");
  if (view === "line") openLine(asked);
  if (view === "rows") openOwn();
  if (view === "models") openModels();
  if (view === "live") openLive();
  else leaveLive();
  if (view === "log") openLog();
}

function go(address, replace = false) {
  const { pathname, search } = new URL(address, location);
  if (replace || pathname + search === location.pathname + location.search) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  open();
}

// A proxy's prefix may have what a shell would not take as it is.
const forShell = (address) => (/^[\w:/.%-]+$/.test(address) ? address : `'${address.replaceAll("'", "%27")}'`);

function showCurl(line, recording = OWN) {
  const hasRows = SERVED.hasRows || recording !== OWN;
  const stored = hasRows ? ["score", `line/${line}`, `prediction/${line}`].map((what) => pathOf(recording, what)) : [];
  const body = ` -H 'Content-Type: application/json' -d '{"rows": [[${SERVED.features.length > 2 ? "0.51, 0.118, …" : SERVED.features.map(() => "0.51").join(", ")}]]}'`;
  const paths = [...stored, "models", ...(hasRows ? [pathOf(recording, "predictions")] : []), "predict"];
  $("curl").textContent = paths.map((path) => `curl ${forShell(new URL(path, location).href)}${path === "predict" ? body : ""}`).join("\n");
}

// Beside an address without its last slash, as of a proxy's prefix, relative ones would lead elsewhere.
if (!location.pathname.endsWith("/")) history.replaceState(null, "", `${location.pathname}/${location.search}${location.hash}`);
addEventListener("popstate", open);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-view]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
  scrollTo(0, 0);
});
$("served").textContent = describeServed();
$("text-label").textContent = SERVED.labelColumn;
showCurl(FIRST);
open();
// Not every recording has the line of the examples.
if (SERVED.hasRows) overview().then((all) => { if (shownLine === undefined) showCurl(lineToShow(all)); }).catch(() => {});
