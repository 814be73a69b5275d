// A JSON document as rows, and what of them goes in one request.

// A list of rows, or rows by their index; another document goes whole. Parts have the rows as they are written: what a number
// or an object here cannot hold, such as long integers and the order of names, the service reads.
function inRows(bytes) {
  const text = asText(bytes);
  const document = valueOf(text);
  if (document === undefined) return undefined;
  const isInside = Array.isArray(document.rows) && Object.keys(document).length === 1;
  const rows = isInside ? document.rows : document;
  const entries = Object.entries(rows);
  if (entries.some(([, row]) => typeof row !== "object" || row === null)) return undefined;
  const outer = itemsIn(text);
  const items = isInside ? itemsIn(outer[0], outer[0].indexOf("[")) : outer;
  // A name that is there twice, which the service refuses: in two parts it would not see it.
  if ((isInside && outer.length > 1) || items.length !== entries.length) return undefined;
  const [open, close] = isInside ? ['{"rows":[', "]}"] : Array.isArray(rows) ? ["[", "]"] : ["{", "}"];
  const cut = { total: items.length, unit: "row", part: (from, count) => open + items.slice(from, from + count).join(",") + close };
  if (Array.isArray(rows)) {
    return { ...cut, told: (message, from) => message.replace(/\b([Rr]ow) (\d+)\b/, (_, word, number) => `${word} ${Number(number) + from}`) };
  }
  const columns = new Set(SERVED.features.map((name) => name.toLowerCase()));
  return entries.some(([name, row]) => Array.isArray(row) || columns.has(name.trim().toLowerCase())) ? undefined : cut;
}

function valueOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;  // The service says what is wrong with it.
  }
}

// What is written between the commas of the first list or object of a text, which is JSON.
function itemsIn(text, from = 0) {
  const items = [];
  let depth = 0;
  let start;
  for (let at = from; at < text.length; at++) {
    const sign = text[at];
    if (sign === '"') {
      at = endOfString(text, at);
    } else if (sign === "[" || sign === "{") {
      depth += 1;
      if (depth === 1) start = at + 1;
    } else if (depth === 1 && ",]}".includes(sign)) {
      items.push(text.slice(start, at));
      if (sign !== ",") break;
      start = at + 1;
    } else if (sign === "]" || sign === "}") {
      depth -= 1;
    }
  }
  return items;
}

function endOfString(text, start) {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at;
}
