// How often models were right, of the predictions whose truth was told.

async function showLabelled(facts) {
  await inPlace("labelled-problem", async (signal) => {
    const { models: found } = await ask("accuracy", { signal, patience: 0 });
    if (signal.aborted) return;
    const rows = facts.flatMap(({ title, version: served, accuracy: known }) => (found[title]?.groups ?? []).map(({ version, rows, accuracy, interval }) => {
      const test = version === served ? known?.test : undefined;
      return make("tr", {}, make("th", { scope: "row" }, title), make("td", {}, make("code", {}, version), version === served ? " (served)" : ""),
        make("td", {}, percent(accuracy)), make("td", {}, interval.map(percent).join(" to ")), make("td", { class: "number" }, whole(rows)),
        make("td", {}, test === undefined ? "–" : percent(test)));
    }));
    const more = Math.max(0, ...Object.values(found).map(({ more_groups: count }) => count));
    $("labelled").hidden = rows.length === 0;
    $("labelled").replaceChildren(
      make("h3", {}, "Labelled predictions"),
      make("p", { class: "quiet" }, `How often each version was right, of the rows whose ${SERVED.noun} was told afterwards.`),
      make("div", { class: "wide", tabindex: 0, role: "region", "aria-label": "Accuracy of labelled predictions" }, make("table", { class: "plain" },
        make("thead", {}, make("tr", {}, ...["Model", "Version", "Right", "95 % interval", "Rows", "Right in its test"].map((name) => make("th", { scope: "col" }, name)))),
        make("tbody", {}, ...rows))),
      ...(more ? [make("p", { class: "quiet" }, `And ${plural(more, "earlier version")}.`)] : []),
    );
  });
}
