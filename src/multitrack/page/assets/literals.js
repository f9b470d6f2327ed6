// Values of filters: read numbers exactly, and compare them with a run's values; as in
// src/multitrack/query/literals.py.

const OPERATORS = {
  "=": (a, b) => a == b, "!=": (a, b) => a != b, "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
};
const DIGITS_AT_MOST = 4300; // of an integer; as in src/multitrack/query/literals.py
const BEYOND = "numbers beyond 1.8e308 are integers of 4,300 digits at most";

const stripped = (text) => text.replace(/^[ \t\n\r\f\v]+|[ \t\n\r\f\v]+$/g, "");
const ODD = /^([+-]?)(inf|infinity|nan)$/i;

/**
 * Read a text as a number, or return the text. Integers are exact, and so are numbers beyond the doubles, such as 1e400.
 * Others are doubles, which are infinite if `isBeyond`.
 */
function numberOr(text) {
  const plain = stripped(text), odd = ODD.exec(plain);
  if (odd) return odd[2].toLowerCase() === "nan" ? NaN : odd[1] === "-" ? -Infinity : Infinity;
  const match = /^([+-]?)(?=\.?\d)(\d*)(\.\d*)?(?:e([+-]?\d+))?$/i.exec(plain);
  if (!match) return text;
  const [, sign, whole, fraction, exponent] = match, nearest = Number(plain);
  const integer = fraction === undefined && exponent === undefined;
  if (integer ? Number.isSafeInteger(nearest) : isFinite(nearest)) return nearest;
  const decimals = (fraction ?? ".").slice(1);
  const exact = (exponent ?? "").length > 9 ? undefined : integerOf(whole + decimals, Number(exponent ?? 0) - decimals.length);
  if (exact === undefined) return sign === "-" ? -Infinity : Infinity;
  return sign === "-" ? -exact : exact;
}

/** Digits times a power of ten; undefined if the result is not an integer, or has too many digits. */
function integerOf(digits, shift) {
  const all = digits.replace(/^0+/, ""), plain = all.replace(/0+$/, ""), zeros = shift + all.length - plain.length;
  return zeros < 0 || plain.length + zeros > DIGITS_AT_MOST ? undefined : BigInt(plain + "0".repeat(zeros));
}

/** True if a number is infinite although its text has digits: too many, or some after its point. */
const isBeyond = (text, number) => (number === Infinity || number === -Infinity) && !ODD.test(stripped(text));

/** Compare a run's value with a filter's value. */
function holds(sign, has, wanted) {
  if (has === undefined) return false;
  if (wanted === null) return (has === null) === (sign === "=");
  if (has === null) return false;
  if (typeof has === "string" && isNumber(wanted)) has = numberOr(has);
  else if (typeof wanted === "string" && isNumber(has)) wanted = numberOr(wanted);
  else if (typeof wanted === "string" && typeof has === "object") return (sign === "=" || sign === "!=") && isWritten(has, wanted) === (sign === "=");
  if (Number.isNaN(has) && Number.isNaN(wanted)) return sign === "=";
  if (isNumber(has) ? !isNumber(wanted) : typeof has !== typeof wanted) return false;
  return OPERATORS[sign](has, wanted);
}

/** True if a text is the JSON of a list or mapping, with any spacing. */
function isWritten(has, text) {
  try {
    return same(has, JSON.parse(text));
  } catch { // not JSON
    return false;
  }
}

function same(a, b) {
  if (a === null || b === null || typeof a !== "object" || typeof b !== "object") return a === b;
  const keys = Object.keys(a);
  return Array.isArray(a) === Array.isArray(b) && keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}
