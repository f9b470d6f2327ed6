// The filter: the language of `--where` (src/multitrack/query/filters.py), and words that a run must contain.
//
//   filter = and {"or" and}
//   and    = not {["and"] not}                 side by side is `and`
//   not    = "not" not | "(" filter ")" | test
//   test   = column ("=" | "!=" | "<" | "<=" | ">" | ">=" | "~") value | column "in" "(" value {"," value} ")"
//          | params.lr                         with its group: the run has a value
//          | word | "some words"               the run's name, tags, params or references contain it
//
// A column needs its group only if two groups have the same name. An invalid filter throws an Unreadable.

class Unreadable extends Error {}

const TOKEN = /\s*(?:(?<text>"(?:[^"\\]|\\.)*"|'[^']*')|(?<operator><=|>=|!=|==|[=<>~])|(?<mark>[(),])|(?<word>(?:[^\s"'()<>=!~,]|(?<=\.)"(?:[^"\\]|\\.)*")+))/y;
const CONSTANTS = { true: true, false: false, none: null };
const AGO = { s: 1e3, min: 6e4, h: 36e5, d: 864e5, w: 6048e5 };
const DURATION = /^(\d+(?:\.\d+)?)(s|min|h|d|w)$/;
const MOMENT = /^(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,6}))?)?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/;
const STATUSES = ["running", "finished", "failed", "killed"];
const DEEPEST = 50;
// Characters that word processors and phones insert instead of those of the language; as in
// src/multitrack/query/columns.py.
const MINUSES = "−–—‐‑﹣－";
const LOOK_ALIKES = new Map([["“”„‟″«»＂", '"'], ["‘’‚‛′‹›＇`´", "'"], ["≤⩽≦", "<="], ["≥⩾≧", ">="], ["≠", "!="], ["＜", "<"], ["＞", ">"],
  ["＝", "="], [MINUSES, "-"]].flatMap(([all, meant]) => [...all].map((character) => [character, meant])));
const INVISIBLE = "\u00ad\u200b\u2060\ufeff";

/** The error message for an unquoted word with a look-alike or invisible character, or an empty text. */
function misread(word) {
  const number = /^(?:-*(?:[\d.]+(?:e[+-]?\d+)?|inf|nan)?|-[a-z]+\..*)$/i.test(word.replace(new RegExp(`[${MINUSES}]`, "g"), "-"));
  for (const character of word) {
    const meant = LOOK_ALIKES.get(character);
    if (meant && (number || !MINUSES.includes(character))) return `${character} is not ${meant}: write ${meant}, or put the text in double quotes`;
    if (INVISIBLE.includes(character)) return `an invisible character, U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}: remove it, or put the text in double quotes`;
  }
  return "";
}

/** Parse a filter into a predicate. */
function parseWhere(text) {
  const tokens = tokensOf(text);
  let next = 0, depth = 0;
  const peek = (ahead = 0) => tokens[Math.min(next + ahead, tokens.length - 1)];
  const take = () => { const token = peek(); if (token.kind !== "end") next += 1; return token; };
  const is = (word, token = peek()) => (token.kind === "word" || token.kind === "mark") && token.text.toLowerCase() === word;
  const took = (word) => { const found = is(word); if (found) next += 1; return found; };
  const fail = (reason, token = peek()) => {
    throw new Unreadable(`${reason}${reason.endsWith("?") ? "" : ","} ${token.kind === "end" ? "at the end" : `at ${short(text.slice(token.place), 24)}`}`);
  };

  function any() {
    const parts = [all()];
    while (took("or")) parts.push(all());
    return (run) => parts.some((part) => part(run));
  }

  function all() {
    const parts = [not()];
    while (took("and") || !(peek().kind === "end" || is("or") || is(")"))) parts.push(not());
    return (run) => parts.every((part) => part(run));
  }

  function not() {
    depth += 1;
    if (depth > DEEPEST) fail(`more than ${DEEPEST} nested brackets`);
    let found;
    if (took("not")) {
      const inner = not();
      found = (run) => !inner(run);
    } else if (took("(")) {
      found = any();
      if (!took(")")) fail("expected )");
    } else found = test();
    depth -= 1;
    return found;
  }

  function test() {
    const token = take();
    if (token.kind !== "word" && token.kind !== "text") fail("expected a word, or a column such as params.lr", token);
    const compared = peek().kind === "operator";
    const listed = is("in") && (is("(", peek(1)) || (token.kind === "word" && columnFor(token.text) !== undefined));
    if (token.kind === "text" || !(compared || listed)) {
      if (compared) fail("expected a column, such as params.lr or status", token);
      const named = token.kind === "word" && GROUPS.some((group) => token.text.startsWith(`${group}.`));
      if (named) { const column = known(token); return (run) => found(run, column) !== undefined; }
      const word = unquoted(token).toLowerCase();
      return (run) => searched(run).includes(word);
    }
    const column = known(token);
    if (took("in")) {
      const wanted = values(column);
      return (run) => wanted.some((value) => holds("=", valueIn(run, column, value), value));
    }
    const sign = take().text.replace("==", "=");
    if (sign === "~") {
      const part = take();
      if (part.kind !== "word" && part.kind !== "text") fail("expected a text", part);
      refuseColumn(part);
      const needle = unquoted(part).toLowerCase();
      return (run) => {
        const has = found(run, column) ?? null;
        if (has === null) return false;
        const texts = [valueText(has, ALL_DIGITS), ...(typeof has === "object" ? [JSON.stringify(has)] : [])]; // in the forms of the page and of the terminal
        return texts.some((text) => text.toLowerCase().includes(needle));
      };
    }
    const wanted = value(column, sign);
    if (wanted === null && sign !== "=" && sign !== "!=") fail("none can only be compared with = and !=", tokens[next - 1]);
    return (run) => holds(sign, valueIn(run, column, wanted), wanted);
  }

  function values(column) {
    if (!took("(")) fail("expected ( and values: in (1, 2)");
    const list = [value(column)];
    while (took(",")) list.push(value(column));
    if (!took(")")) fail("expected , or )");
    return list;
  }

  function value(column, sign = "=") {
    const token = take();
    if (token.kind !== "word" && token.kind !== "text") fail("expected a value", token);
    const plain = unquoted(token);
    refuseColumn(token, column);
    if (column.group === "metadata" && (column.name === "started" || column.name === "ended")) {
      const time = momentOf(plain);
      if (Number.isNaN(time)) fail(`${plain} is not a time, such as 2026-11-21T09:30 or 7d (ago)`, token);
      return time;
    }
    if (column.group === "metadata" && column.name === "status" && !STATUSES.includes(plain)) {
      fail(`there is no status ${plain}; there are ${STATUSES.join(", ")}`, token);
    }
    const constant = token.kind === "word" ? own(CONSTANTS, plain.toLowerCase()) : undefined;
    if (constant !== undefined) return constant;
    const number = numberOr(plain), always = alwaysNumber(column);
    if (isNumber(number) && (token.kind === "word" || always)) {
      if (isBeyond(plain, number)) fail(BEYOND, token);
      return number;
    }
    if (column.group === "metadata" && column.name === "took") {
      const parts = DURATION.exec(plain);
      if (!parts) fail(`'${short(plain, 24)}' is not a duration, such as 90s, 15min or 2h; a number is seconds`, token);
      return Number(parts[1]) * AGO[parts[2]] / 1000;
    }
    const has = data.runs.map((run) => found(run, column)).filter((value) => value !== undefined && value !== null);
    if (!has.length || has.some((value) => typeof value === "string") || (isNumber(number) && has.some(isNumber))) return plain;
    if (has.some((value) => typeof value === "object")) {
      if (sign !== "=" && sign !== "!=") fail("lists have no order; use = or !=", token);
      return plain;
    }
    const other = token.kind === "word" && columnFor(plain) !== undefined ? "; two columns cannot be compared" : "";
    fail(`'${short(plain, 24)}' is ${has.some(isNumber) ? "not a number" : "neither true nor false"}${other}`, token);
  }

  /** Reject an unquoted word that is a column; a metadata name only beside a metadata column. */
  function refuseColumn(token, column) {
    if (token.kind !== "word") return;
    const beside = column?.group === "metadata" && FIELDS.has(token.text);
    if (!beside && !GROUPS.some((group) => token.text.startsWith(`${group}.`))) return;
    fail(`${short(token.text, 24)} is a column, and two columns cannot be compared; a text is quoted: ${JSON.stringify(short(token.text, 24))}`, token);
  }

  function known(token) {
    const column = columnFor(token.text);
    if (column === undefined) fail(`no run has ${short(token.text, 48)}`, token);
    if (typeof column === "string") fail(column, token);
    return column;
  }

  if (peek().kind === "end") return () => true;
  const parsed = any();
  if (peek().kind !== "end") fail("expected `and`, `or` or the end");
  return parsed;
}

function tokensOf(text) {
  const tokens = [], end = text.trimEnd().length;
  for (let place = 0; place < end;) {
    TOKEN.lastIndex = place;
    const match = TOKEN.exec(text);
    if (!match) {
      const rest = text.slice(place).trimStart();
      throw new Unreadable(`${/^["']/.test(rest) ? "a quote without an end" : "this is not part of a filter"}, at ${short(rest, 24)}`);
    }
    const [kind, found] = Object.entries(match.groups).find(([, part]) => part !== undefined);
    place = TOKEN.lastIndex;
    const wrong = kind === "word" && misread(found.split('"')[0]);
    if (wrong) throw new Unreadable(`${wrong}, at ${short(text.slice(place - found.length), 24)}`);
    tokens.push({ kind, text: found, place: place - found.length });
  }
  return [...tokens, { kind: "end", text: "", place: end }];
}

function unquoted({ kind, text }) {
  if (kind === "word") return text;
  try { // control characters are allowed, but JSON requires them escaped
    if (text[0] === '"') return JSON.parse(text.replace(/[\u0000-\u001f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`));
  } catch { /* an invalid JSON escape is kept as it is */ }
  return text.slice(1, -1);
}

/** Parse a time into milliseconds: ISO 8601, local without an offset, or a duration before now; NaN if invalid. */
function momentOf(text) {
  const ago = DURATION.exec(text);
  if (ago) return Date.now() - Number(ago[1]) * AGO[ago[2]];
  const match = MOMENT.exec(text);
  if (!match) return NaN;
  const [year, month, day, hour = "00", minute = "00", second = "00", fraction = "0", offset = ""] = match.slice(1);
  const zone = /^[+-]\d\d$/.test(offset) ? `${offset}:00` : offset.replace(/^([+-]\d\d)(\d\d)$/, "$1:$2");
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.padEnd(3, "0").slice(0, 3)}${zone}`).getTime();
}

const COLUMN = /^(?:([a-z]+)\.)?(?:("(?:[^"\\]|\\.)*")|([^\s"':]+))(?::(\w*))?$/;
const REDUCIBLE = ["metrics", "lists"];
/** True if a column always has numbers. */
const alwaysNumber = ({ group, name }) => REDUCIBLE.includes(group) || (group === "metadata" && ["took", "records", "lines"].includes(name));
const FACTS = {
  run: (run) => run.id, ended: (run) => run.ended ?? undefined, records: (run) => run.counts.records ?? 0,
  lines: (run) => run.lines.count, command: (run) => contextOf(run)?.command.join(" "),
  ...Object.fromEntries(["user", "host", "program", "python"].map((name) => [name, (run) => contextOf(run)?.[name]])),
  ...Object.fromEntries(["commit", "branch", "dirty"].map((name) => [name, (run) => contextOf(run)?.git?.[name]])),
};
const FIELDS = new Set(["name", "notes", ...METADATA, ...Object.keys(FACTS)]);

/** A run's context; undefined if it has none, or a served page does not have it yet. */
function contextOf(run) {
  if (run.context !== null && !data.contexts[run.context]) wantContexts();
  return data.contexts[run.context];
}

/** The column of a name, with or without its group; undefined if no run has it, an error message if it is invalid. */
function columnFor(text) {
  const match = COLUMN.exec(text);
  const name = match && (match[2] ? unquoted({ kind: "text", text: match[2] }) : match[3]);
  if (match && (match[1] === undefined || match[1] === "metadata") && !match[4] && FIELDS.has(name)) return { group: "metadata", name };
  const called = columnOf(text) ? [columnOf(text)] : columns.filter((column) => column.name === text);
  if (called.length > 1) return whichOf(called, text);
  const [alone] = called;
  if (alone) return { group: alone.group, name: alone.name, key: alone.key, better: alone.better };
  if (!match) return undefined;
  const [, group, , , reduction] = match;
  const bare = group === undefined || !GROUPS.includes(group);
  const reducible = bare ? columns.filter((found) => REDUCIBLE.includes(found.group) && found.name === (group === undefined ? name : `${group}.${name}`)) : [];
  if (reducible.length > 1) return whichOf(reducible, text);
  const column = bare ? reducible[0] : { group, name, key: `${group}.${name}`, better: own(data.better, name) };
  if (!column || (data.runs.length && !hasColumn(column))) return undefined;
  if (reduction === undefined) return column;
  if (!REDUCIBLE.includes(column.group)) return `${text}: only metrics and lists can be reduced`;
  if (!REDUCTIONS.includes(reduction)) return `no reduction ${reduction}; there are ${REDUCTIONS.join(", ")}`;
  if (reduction === "best" && !column.better) return `is a low or a high ${column.name} better? say ${column.name}:min or :max`;
  return { ...column, reduction };
}

/** The error message for a name without a group that several groups have. */
const whichOf = (found, text) => `${found.map(({ group }) => `${group}.${text}`).join(" or ")}?`;

function hasColumn(column) {
  if (column.group === "inputs" || column.group === "outputs") return data.runs.some((run) => found(run, column) !== undefined);
  return columnOf(column.key) !== undefined;
}

/** A run's value in a column of a filter. */
function found(run, column, wanted) {
  const { group, name } = column;
  if (group === "metadata") {
    if (name === "parent" && run.parent === wanted) return run.parent; // by its id as well as by its name
    return Object.hasOwn(FACTS, name) ? (FACTS[name](run) ?? undefined) : metadata(run, name);
  }
  if (group === "inputs") return cell(run, { group: "params", name }) ?? cell(run, column);
  if (group === "outputs") return ["metrics", "lists"].map((held) => cell(run, { group: held, name }, null)).find((value) => value !== undefined) ?? cell(run, column);
  return cell(run, column, column.reduction);
}

/** A run's value for a comparison; missing metadata is null. */
function valueIn(run, column, wanted) {
  const has = found(run, column, wanted);
  return has === undefined && column.group === "metadata" ? null : has;
}
