// The reader's own points: a table that is pasted, chosen as a file, or dropped anywhere on the page.
import { computed, signal } from "@preact/signals";
import { readTable, tablePoints, type PastedTable } from "../engine/csv";
import { EngineError, type Problem } from "../engine/types";
import { plural, sentence } from "./format";
import { loadPoints } from "./editing";
import { say } from "./state";

const LARGEST_FILE = 60_000_000; // bytes
const LONG = 200_000; // characters; a field that holds more makes a browser crawl, so it shows the first lines only
const text = signal("");
const refused = signal<Problem | null>(null);
const inputs = signal<readonly string[]>([]);
const target = signal("");

type Read = { readonly table: PastedTable } | { readonly problem: Problem } | null;

const read = computed<Read>(() => {
  if (refused.value) return { problem: refused.value };
  if (text.value.trim() === "") return null;
  return attempt(() => ({ table: readTable(text.value) }));
});

function attempt<T>(work: () => T): T | { readonly problem: Problem } {
  try {
    return work();
  } catch (error) {
    if (error instanceof EngineError) return { problem: error.problem };
    throw error;
  }
}

function take(next: string): void {
  refused.value = null;
  text.value = next;
  const found = read.value;
  if (!found || "problem" in found) return;
  const numbers = found.table.columns.filter((column) => column.kind === "number").map((column) => column.name);
  // The last column is the target, as most tables have it; the one before it the input.
  target.value = numbers[numbers.length - 1] ?? "";
  inputs.value = numbers.length > 1 ? [numbers[numbers.length - 2]!] : [];
}

/** A file that was chosen or dropped. One far too large is refused before it is read. */
export async function takeFile(file: File): Promise<void> {
  text.value = "";
  if (file.size > LARGEST_FILE) {
    const size = `${Math.round(file.size / 1e6).toLocaleString("en")} MB`;
    refused.value = { path: file.name, message: `the file has ${size}, too much for a page. The server takes any number of rows: gradline studio ${file.name}` };
    return;
  }
  take(await file.text());
}

const chosen = computed(() => {
  const found = read.value;
  if (!found || "problem" in found || inputs.value.length === 0 || target.value === "") return null;
  return attempt(() => tablePoints(found.table, inputs.value, target.value));
});

/** What the field shows of a long text. */
function excerpt(all: string): string {
  return `${all.slice(0, 1000).replace(/[^\n]*$/, "")}… ${all.length.toLocaleString("en")} characters in all`;
}

export function OwnData({ close }: { readonly close: () => void }) {
  const found = read.value;
  const long = text.value.length > LONG;
  const table = found && "table" in found ? found.table : null;
  const result = chosen.value;
  const points = result && "points" in result ? result : null;
  const wrong = found && "problem" in found ? found.problem : result && "problem" in result ? result.problem : null;
  const notes = [...(table?.notes ?? []), ...(points?.notes ?? [])];
  const numbers = table?.columns.filter((column) => column.kind === "number").map((column) => column.name) ?? [];
  return (
    <>
      <div class="field">
        <label for="csv">Paste rows from a spreadsheet or a CSV file, or drop a file anywhere on the page. Nothing leaves your machine.</label>
        <textarea
          id="csv"
          rows={7}
          spellcheck={false}
          placeholder={"x,y\n0.2,-3.9\n1.1,1.4"}
          value={long ? excerpt(text.value) : text.value}
          readOnly={long}
          onInput={(event) => take(event.currentTarget.value)}
          onPaste={(event) => {
            const pasted = event.clipboardData?.getData("text/plain") ?? "";
            if (pasted.length <= LONG) return;
            event.preventDefault();
            take(pasted);
          }}
        />
        {long && (
          <button type="button" class="button" onClick={() => take("")}>
            Another text
          </button>
        )}
      </div>
      <div class="field">
        <label for="csv-file">or choose a file</label>
        <input
          id="csv-file"
          type="file"
          accept=".csv,.tsv,.txt,text/csv,text/plain"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            if (file) void takeFile(file);
          }}
        />
      </div>
      {table && (
        <div class="two">
          <Column id="csv-x" label="x" options={numbers} value={inputs.value[0] ?? ""} onPick={(name) => (inputs.value = [name, ...inputs.value.slice(1)])} />
          <Column
            id="csv-x2"
            label="a second input"
            none="none"
            options={numbers}
            value={inputs.value[1] ?? ""}
            onPick={(name) => (inputs.value = name === "" ? inputs.value.slice(0, 1) : [inputs.value[0] ?? name, name])}
          />
          <Column id="csv-y" label="y, what is predicted" options={numbers} value={target.value} onPick={(name) => (target.value = name)} />
        </div>
      )}
      {wrong && (
        <p class="says bad" role="alert" id="csv-problem">
          {sentence(wrong.message)}
        </p>
      )}
      {table && numbers.length === 1 && (
        <p class="says bad" role="alert" id="csv-problem">
          Only the column {numbers[0]} holds numbers; a line needs two such columns.
        </p>
      )}
      {!wrong && notes.length > 0 && (
        <ul class="says warn" id="csv-notes">
          {notes.slice(0, 5).map((note) => (
            <li>{sentence(note.message)}</li>
          ))}
          {notes.length > 5 && <li>… and {plural(notes.length - 5, "more")}.</li>}
        </ul>
      )}
      <div>
        <button
          type="button"
          class="button primary"
          id="csv-use"
          disabled={points === null}
          onClick={() => {
            loadPoints(points!.points, { rate: "auto", batch: null });
            say(`${plural(points!.points.y.length, "point")} taken.`);
            close();
          }}
        >
          {points ? `Use these ${plural(points.points.y.length, "point")}` : "Use these points"}
        </button>
      </div>
    </>
  );
}

interface ColumnProps {
  readonly id: string;
  readonly label: string;
  readonly options: readonly string[];
  readonly value: string;
  readonly none?: string;
  readonly onPick: (name: string) => void;
}

function Column({ id, label, options, value, none, onPick }: ColumnProps) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onPick(event.currentTarget.value)}>
        {none && <option value="">{none}</option>}
        {options.map((name) => (
          <option value={name}>{name}</option>
        ))}
      </select>
    </div>
  );
}
