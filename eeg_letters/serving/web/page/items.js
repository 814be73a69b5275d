// A JSON document as rows, and what of them goes in one request.

// A list of rows, or rows by their index; another document goes whole.
function inRows(bytes) {
  const rows = rowsIn(bytes);
  const entries = Object.entries(rows ?? {});
  if (entries.some(([, row]) => typeof row !== "object" || row === null)) return undefined;
  if (Array.isArray(rows)) {
    return {
      total: rows.length, unit: "row", part: (from, count) => JSON.stringify(rows.slice(from, from + count)),
      told: (message, from) => message.replace(/\b([Rr]ow) (\d+)\b/, (_, word, number) => `${word} ${Number(number) + from}`),
    };
  }
  const columns = new Set(SERVED.features.map((name) => name.toLowerCase()));
  if (entries.some(([name, row]) => Array.isArray(row) || columns.has(name.trim().toLowerCase()))) return undefined;
  return { total: entries.length, unit: "row", part: (from, count) => JSON.stringify(Object.fromEntries(entries.slice(from, from + count))) };
}

function rowsIn(bytes) {
  try {
    const value = JSON.parse(asText(bytes));
    return Array.isArray(value.rows) ? value.rows : value;
  } catch {
    return undefined;  // The service says what is wrong with it.
  }
}
