// A table that was pasted or dropped: RFC 4180 with any of four separators, and words for what is wrong by row and column. Rows are counted
// as a spreadsheet counts them, the heading being row 1.

import { MOST_ROWS } from "./rows.ts";
import { EngineError, type Points, type Problem } from "./types.ts";

export interface Column {
  readonly name: string;
  readonly kind: "number" | "text";
  readonly numbers: Float64Array; // NaN where missing or no number; of text columns all NaN
  readonly texts: readonly string[];
  readonly missing: number;
}

export interface PastedTable {
  readonly columns: readonly Column[];
  readonly rows: number;
  readonly firstRow: number; // of the data, as a spreadsheet counts: 2 below a heading
  readonly separator: string;
  readonly notes: readonly Problem[]; // what was read otherwise than it may have been meant
}

const MISSING = new Set(["", "na", "n/a", "nan", "null", "none", ".", "-", "?"]);
const MOST_COLUMNS = 1000;
const WIDEST = 200;

/** The table of a text. Raises EngineError where there is none, where rows differ in length, or where it is too large for a page. */
export function readTable(text: string, mostRows = MOST_ROWS): PastedTable {
  const content = text.replace(/^\ufeff/, "");
  if (content.trim() === "") fail("table", "there is nothing in it; paste rows of numbers with a heading, or drop a CSV file");
  if (content.includes("\u0000")) fail("table", "this is no text: save the table as CSV first");
  tooLarge(content, mostRows);
  const separator = separatorOf(content);
  const records = split(content, separator, mostRows + 1);
  const width = records[0]!.cells.length;
  if (width > MOST_COLUMNS) fail("table", `it has ${width.toLocaleString("en-US")} columns, and a page shows ${MOST_COLUMNS} at most; run gradline studio table.csv`);
  for (const { cells, row } of records) {
    if (cells.length !== width) {
      const expected = `${width} ${width === 1 ? "cell" : "cells"} as the first row`;
      fail(`row ${row}`, `row ${row} has ${cells.length} ${cells.length === 1 ? "cell" : "cells"} and not ${expected}; is a separator or a quotation mark missing?`);
    }
  }
  const decimalComma = separator !== ",";
  const headed = records[0]!.cells.some((cell) => numberOf(cell, decimalComma) === null && !isMissing(cell));
  const body = headed ? records.slice(1) : records;
  if (body.length === 0) fail("table", "there is a heading and no row below it");
  if (body.length > mostRows) refuseLarge(body.length, mostRows);
  const notes: Problem[] = [];
  if (!headed) notes.push({ path: "row 1", message: "the first row holds numbers only, so the columns were given names" });
  const names = headed ? unique(records[0]!.cells) : numbered(width);
  const columns = names.map((name, j) => columnOf(name, body.map(({ cells, row }) => ({ cell: cells[j]!, row })), decimalComma, notes));
  if (!columns.some((column) => column.kind === "number")) {
    const first = body[0]!;
    fail("table", `no column holds numbers: row ${first.row}, column ${names[0]} is '${short(first.cells[0]!)}'. A line needs at least two columns of numbers`);
  }
  return { columns, rows: body.length, firstRow: headed ? 2 : 1, separator, notes };
}

/** Rows of the chosen columns. Rows with a gap are left out and counted, the first of them named. */
export function tablePoints(table: PastedTable, inputs: readonly string[], target: string, weights?: string): { points: Points; dropped: number; notes: Problem[] } {
  const of = (name: string): Column => {
    const found = table.columns.find((column) => column.name === name);
    if (found === undefined) return fail("table", `there is no column ${name}; there are ${table.columns.map((column) => column.name).join(", ")}`);
    if (found.kind === "text") {
      const row = found.texts.findIndex((cell) => !isMissing(cell));
      return fail(`column ${name}`, `column ${name} holds text (row ${row + table.firstRow}: '${short(found.texts[row]!)}'), and the page fits numbers; gradline studio table.csv takes categories too`);
    }
    return found;
  };
  if (inputs.length < 1 || inputs.length > 2) fail("inputs", `choose one or two inputs, not ${inputs.length}; gradline studio table.csv takes any number`);
  if (new Set([...inputs, target]).size !== inputs.length + 1) fail("inputs", "the target and the inputs must be different columns");
  const chosen = [...inputs.map(of), of(target), ...(weights === undefined ? [] : [of(weights)])];
  const [x, y, w]: [number[][], number[], number[]] = [[], [], []];
  let first: { row: number; name: string; cell: string } | null = null;
  for (let i = 0; i < table.rows; i++) {
    const gap = chosen.find((column) => !Number.isFinite(column.numbers[i]!));
    if (gap !== undefined) {
      first ??= { row: i + table.firstRow, name: gap.name, cell: gap.texts[i]! };
      continue;
    }
    x.push(inputs.map((_, j) => chosen[j]!.numbers[i]!));
    y.push(chosen[inputs.length]!.numbers[i]!);
    if (weights !== undefined) {
      const weight = chosen[inputs.length + 1]!.numbers[i]!;
      if (weight < 0) fail(`row ${i + table.firstRow}, column ${weights}`, `row ${i + table.firstRow}, column ${weights}: a weight is 0 or above, not ${weight}`);
      w.push(weight);
    }
  }
  const dropped = table.rows - y.length;
  if (y.length === 0) fail("table", `no row has a number in each of ${chosen.map((column) => column.name).join(", ")}`);
  const notes: Problem[] = [];
  if (first !== null) {
    const what = isMissing(first.cell) ? "is empty" : `holds '${short(first.cell)}'`;
    notes.push({ path: `row ${first.row}, column ${first.name}`, message: `${dropped.toLocaleString("en-US")} of ${table.rows.toLocaleString("en-US")} rows left out: in ${dropped === 1 ? "it" : "the first"}, row ${first.row}, column ${first.name} ${what}` });
  }
  return { points: { inputs: [...inputs], target, x, y, ...(weights === undefined ? {} : { weights: w }) }, dropped, notes };
}

function fail(path: string, message: string): never {
  throw new EngineError({ path, message });
}

/** A text far too large is refused before it is taken apart. */
function tooLarge(text: string, most: number): void {
  let lines = 1;
  for (let at = text.indexOf("\n"); at >= 0 && lines <= most * 4; at = text.indexOf("\n", at + 1)) lines++;
  if (lines > most * 4) refuseLarge(lines, most);
}

function refuseLarge(rows: number, most: number): never {
  const more = rows > most * 4 ? "more than " : "";
  return fail("rows", `the table has ${more}${Math.min(rows, most * 4).toLocaleString("en-US")} rows, and the page holds ${most.toLocaleString("en-US")}. The server takes any number: gradline studio table.csv`);
}

/** The separator that gives most cells in the first record, outside quotation marks. */
function separatorOf(text: string): string {
  const counts = new Map<string, number>([[",", 0], [";", 0], ["\t", 0], ["|", 0]]);
  let quoted = false;
  for (let i = 0; i < text.length && i < 100_000; i++) {
    const one = text[i]!;
    if (one === '"') quoted = !quoted;
    else if (!quoted && one === "\n" && [...counts.values()].some((count) => count > 0)) break;
    else if (!quoted && counts.has(one)) counts.set(one, counts.get(one)! + 1);
  }
  // Semicolons beside commas are those of a country that writes 3,5.
  const [tab, semicolon, comma, bar] = ["\t", ";", ",", "|"].map((one) => counts.get(one)!) as [number, number, number, number];
  if (tab > 0) return "\t";
  if (semicolon > 0) return ";";
  if (comma > 0) return ",";
  return bar > 0 ? "|" : ",";
}

interface RecordOfCells {
  readonly cells: string[];
  readonly row: number;
}

function split(text: string, separator: string, most: number): RecordOfCells[] {
  const records: RecordOfCells[] = [];
  let cells: string[] = [];
  let row = 1;
  let at = 0;
  const end = (): void => {
    // A blank line ends nothing.
    if (cells.length > 1 || cells[0]!.trim() !== "") {
      if (records.length === most) refuseLarge(records.length, most - 1);
      records.push({ cells, row });
    }
    cells = [];
    row++;
  };
  while (at <= text.length) {
    if (text[at] === '"') {
      const opened = row;
      let cell = "";
      for (at++; ; at++) {
        const next = text.indexOf('"', at);
        if (next < 0) fail(`row ${opened}`, `row ${opened}: a quotation mark is opened and never closed`);
        cell += text.slice(at, next);
        at = next + 1;
        if (text[at] !== '"') break;
        cell += '"';
      }
      const rest = /^[ \t]*/.exec(separator === "\t" ? "" : text.slice(at, at + 100))![0].length;
      at += rest;
      if (at < text.length && text[at] !== separator && text[at] !== "\n" && text[at] !== "\r") {
        fail(`row ${opened}`, `row ${opened}: after a closing quotation mark comes '${text[at]}', not a separator`);
      }
      cells.push(cell);
    } else {
      let stop = at;
      while (stop < text.length && text[stop] !== separator && text[stop] !== "\n" && text[stop] !== "\r") stop++;
      cells.push(text.slice(at, stop));
      at = stop;
    }
    if (text[at] === separator) {
      at++;
      continue;
    }
    end();
    if (text[at] === "\r" && text[at + 1] === "\n") at++;
    at++;
    if (at === text.length) break;
  }
  if (records.length === 0) fail("table", "there is nothing in it but separators");
  return records;
}

function isMissing(cell: string): boolean {
  return MISSING.has(cell.trim().toLowerCase());
}

/** The number a cell holds; null where it holds none. */
function numberOf(cell: string, decimalComma: boolean): number | null {
  let plain = cell.trim().replace(/\u2212/g, "-").replace(/^\+/, "");
  if (decimalComma && /^-?\d+,\d+(e[+-]?\d+)?$/i.test(plain)) plain = plain.replace(",", ".");
  else if (/^-?\d{1,3}(,\d{3})+(\.\d+)?$/.test(plain)) plain = plain.replaceAll(",", "");
  if (!/^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return null;
  const value = Number(plain);
  return Number.isFinite(value) ? value : null;
}

function columnOf(name: string, cells: readonly { cell: string; row: number }[], decimalComma: boolean, notes: Problem[]): Column {
  const numbers = new Float64Array(cells.length);
  let [missing, good] = [0, 0];
  let bad: { cell: string; row: number } | null = null;
  let wrong = 0;
  cells.forEach(({ cell, row }, i) => {
    const value = numberOf(cell, decimalComma);
    numbers[i] = value ?? NaN;
    if (value !== null) good++;
    else if (isMissing(cell)) missing++;
    else {
      wrong++;
      bad ??= { cell, row };
    }
  });
  const texts = cells.map((one) => one.cell);
  // Numbers with a few words between them are numbers with mistakes; the other way round it is text.
  if (good === 0 || wrong > good) return { name, kind: "text", numbers: new Float64Array(cells.length).fill(NaN), texts, missing };
  if (bad !== null) {
    const { cell, row } = bad as { cell: string; row: number };
    const others = wrong > 1 ? ` and ${(wrong - 1).toLocaleString("en-US")} more` : "";
    notes.push({ path: `row ${row}, column ${name}`, message: `row ${row}, column ${name}: '${short(cell)}' is no number${others}; such rows are left out where the column is used` });
  }
  return { name, kind: "number", numbers, texts, missing: missing + wrong };
}

function unique(cells: readonly string[]): string[] {
  const found: string[] = [];
  cells.forEach((cell, j) => {
    const plain = cell.trim().replace(/\s+/g, " ").slice(0, WIDEST) || `column ${j + 1}`;
    let name = plain;
    for (let k = 2; found.includes(name); k++) name = `${plain} (${k})`;
    found.push(name);
  });
  return found;
}

function numbered(width: number): string[] {
  if (width === 2) return ["x", "y"];
  return Array.from({ length: width }, (_, j) => (j === width - 1 && width > 1 ? "y" : `x${j + 1}`));
}

function short(cell: string): string {
  return cell.length > 40 ? `${cell.slice(0, 39)}\u2026` : cell;
}
