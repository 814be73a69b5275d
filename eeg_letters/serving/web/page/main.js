// Which view is open, by the address.

const TITLE = document.title;
const VIEWS = { line: "Stored lines", rows: "Your rows", models: "Models" };

function open() {
  const asked = new URLSearchParams(location.search);
  const first = SERVED.hasRows || asked.has("line") ? "line" : "rows";
  const view = asked.has("line") || !Object.hasOwn(VIEWS, asked.get("view")) ? first : asked.get("view");
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
  if (view === "line") openLine(asked.get("line") ?? undefined);
  if (view === "rows") openOwn();
  if (view === "models") openModels();
}

function go(address, replace = false) {
  if (replace || address === location.pathname + location.search) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  open();
}

function showCurl(line) {
  const stored = SERVED.hasRows ? ["score", `line/${line}`, `prediction/${line}`] : [];
  const commands = [...stored, "models", ...(SERVED.hasRows ? ["predictions"] : []), `predict -H 'Content-Type: application/json' -d '{"rows": [[${SERVED.features.length > 2 ? "0.51, 0.118, …" : SERVED.features.map(() => "0.51").join(", ")}]]}'`];
  $("curl").textContent = commands.map((command) => `curl ${location.origin}/${command}`).join("\n");
}

addEventListener("popstate", open);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-view]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
  scrollTo(0, 0);
});
$("served").textContent = describeServed();
$("text-label").textContent = usualLabelColumn();
showCurl(FIRST);
open();
// Not every recording has the line of the examples.
overview().then((all) => { if (SERVED.hasRows && shownLine === undefined) showCurl(lineToShow(all)); }).catch(() => {});
