// A table as it comes: of what kind its bytes are, and which of them go in one request. What is in it, the service reads.

const CSV = "text/csv";
const JSON_LINES = "application/x-ndjson";
// What may stand before the rows is looked for in so many bytes.
const HEAD_BYTES = 256 * 1024;

// { type, total, unit, part(from, count), repeated(from), told(message, from) }: its media type; of how many lines or rows it
// is, without a unit where it goes whole; the body of a request for some of them; how many rows that another request has
// come before them; and what the service says of that request, in the numbers of the table. A table for one request goes
// as it is.
function tableOf(bytes) {
  const type = typeOf(bytes);
  // At line ends only text of one byte a sign can be cut.
  const plain = encodingOf(bytes) === "utf-8" ? bytes : asBytes(asText(bytes));
  const cut = { [JSON_TYPE]: inRows, [CSV]: inCsv, [JSON_LINES]: inLines }[type](plain);
  // JSON is UTF-8 without a mark, or the service takes it for none.
  const all = type === JSON_TYPE ? withoutMark(plain) : bytes;
  return {
    total: 1, repeated: () => 0, told: (message) => message, ...cut, type,
    part: (from, count) => (count >= (cut?.total ?? 1) ? all : cut.part(from, count)),
  };
}

const withoutMark = (bytes) => (beginning(bytes, 3) === "\xef\xbb\xbf" ? bytes.subarray(3) : bytes);

function typeOf(bytes) {
  if (!/^\s*[[{]/.test(asText(bytes, HEAD_BYTES))) return CSV;
  const text = asText(bytes).trimStart();
  // In one document no value follows another without a comma.
  const end = text.indexOf("\n");
  const follows = end !== -1 && "]}".includes(text.slice(0, end).trimEnd().at(-1)) && "[{".includes(text.slice(end).trimStart()[0]);
  return follows ? JSON_LINES : JSON_TYPE;
}
