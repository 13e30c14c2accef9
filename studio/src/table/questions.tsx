// What one asks of a fit: effects, predictions for rows typed in, and things to take away.
import { useSignal } from "@preact/signals";
import { number, sentence } from "../page/format";
import type { Fitted, ResultTable } from "../remote/protocol";
import { probability, Waiting } from "./parts";
import type { TableState } from "./state";

const HEADS: Readonly<Record<string, string>> = { standard_error: "std error", p_value: "p", lower: "95% from", upper: "to" };

export function Effects({ state, fit }: { readonly state: TableState; readonly fit: Fitted }) {
  const { value, busy, problem } = state.effects.value;
  const groups = state.heads.value.filter((head) => ["text", "category", "boolean"].includes(head.kind) && fit.variables.includes(head.name));
  return (
    <Waiting busy={busy && !value} problem={problem}>
      {groups.length > 0 && (
        <div class="field t-short">
          <label for="t-by">Told apart by</label>
          <select
            id="t-by"
            value={state.by.value ?? ""}
            onChange={(event) => {
              state.by.value = event.currentTarget.value === "" ? null : event.currentTarget.value;
              state.askEffects();
            }}
          >
            <option value="">nothing</option>
            {groups.map((head) => (
              <option value={head.name}>{head.name}</option>
            ))}
          </select>
        </div>
      )}
      {value && <Table table={value} />}
    </Waiting>
  );
}

function Table({ table }: { readonly table: ResultTable }) {
  return (
    <>
      <div class="scroll t-scroll" tabIndex={0} role="region" aria-label={table.title || "Effects"}>
        <table id="t-effects">
          <caption>{table.title}</caption>
          <thead>
            <tr>
              {table.columns.map((name) => (
                <th scope="col">{HEADS[name] ?? name.replaceAll("_", " ")}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.map((row) => (
              <tr>
                {row.map((cell, k) => {
                  const name = table.columns[k]!;
                  const text = cell === null ? "" : typeof cell === "string" ? cell : name === "p_value" ? probability(cell) : number(cell, name === "t" || name === "z" ? 3 : 5);
                  return k === 0 ? <th scope="row">{text}</th> : <td>{text}</td>;
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="small quiet">{table.note}</p>
    </>
  );
}

export function Predict({ state, fit }: { readonly state: TableState; readonly fit: Fitted }) {
  const typed = useSignal<Readonly<Record<string, string>>>({});
  const interval = useSignal<"confidence" | "prediction">("prediction");
  const kinds = state.kinds.value;
  const columns = state.columns.value;
  const { value, problem } = state.predicted.value;
  state.describe(fit.variables);
  const start = (name: string): string => {
    const column = columns.get(name);
    if (!column) return "";
    return column.levels?.[0]?.value ?? (column.mean === null ? "" : String(Number(column.mean.toPrecision(4))));
  };
  const ask = (event: Event) => {
    event.preventDefault();
    const row: Record<string, string | number | null> = {};
    for (const name of fit.variables) {
      const text = (typed.value[name] ?? start(name)).trim();
      const asNumber = Number(text.replace("−", "-"));
      row[name] = text === "" ? null : (kinds.get(name) ?? "number") === "number" && Number.isFinite(asNumber) ? asNumber : text;
    }
    state.askPrediction([row], interval.value);
  };
  return (
    <form class="t-predict" onSubmit={ask}>
      <div class="t-fields">
        {fit.variables.map((name, j) => {
          const levels = columns.get(name)?.histogram ? null : columns.get(name)?.levels;
          return (
            <div class="field">
              <label for={`t-new-${j}`}>{name}</label>
              <input
                id={`t-new-${j}`}
                type="text"
                inputmode={kinds.get(name) === "number" ? "decimal" : "text"}
                list={levels ? `t-levels-${j}` : undefined}
                value={typed.value[name] ?? start(name)}
                onInput={(event) => (typed.value = { ...typed.value, [name]: event.currentTarget.value })}
              />
              {levels && (
                <datalist id={`t-levels-${j}`}>
                  {levels.map((level) => (
                    <option value={level.value} />
                  ))}
                </datalist>
              )}
            </div>
          );
        })}
      </div>
      <div class="t-row">
        <div class="segments" role="group" aria-label="Interval">
          <button type="button" aria-pressed={interval.value === "prediction"} onClick={() => (interval.value = "prediction")}>
            of a new row
          </button>
          <button type="button" aria-pressed={interval.value === "confidence"} onClick={() => (interval.value = "confidence")}>
            of the mean
          </button>
        </div>
        <button type="submit" class="button primary">
          Predict
        </button>
      </div>
      <Waiting busy={false} problem={problem}>
        {value && (
          <div role="status">
            <p class="equation" id="t-predicted">
              {value.prediction.map((one) => (one === null ? "no prediction: a value is missing" : number(one, 5))).join(", ")}
              {value.low && value.low[0] !== null && value.high && (
                <span class="t-between">
                  {" "}
                  {number(value.low[0]!, 5)} to {number(value.high[0]!, 5)}
                </span>
              )}
            </p>
            {value.guarantee && <p class="small quiet">{value.guarantee}</p>}
          </div>
        )}
      </Waiting>
    </form>
  );
}

const TAKEN: readonly (readonly ["python" | "command" | "model" | "report", string, string])[] = [
  ["python", "Python", "A script that gives these numbers"],
  ["command", "Command", "The same for a shell"],
  ["model", "Model file", "For gl.load and gradline predict; no rows, no code"],
  ["report", "Report", "One HTML page to read, send and print"],
];

export function TakeAway({ state }: { readonly state: TableState }) {
  const { value, busy, problem } = state.taken.value;
  const copied = useSignal(false);
  return (
    <>
      <div class="t-take">
        {TAKEN.map(([what, title, about]) => (
          <button
            type="button"
            class="button t-choice"
            aria-pressed={value?.what === what}
            onClick={() => {
              copied.value = false;
              state.take(what);
            }}
          >
            <strong>{title}</strong>
            <span class="small quiet">{about}</span>
          </button>
        ))}
      </div>
      <Waiting busy={busy} problem={problem}>
        {value && value.text !== null && (
          <div class="t-code">
            <pre tabIndex={0} id="t-taken">
              {value.text}
            </pre>
            <button
              type="button"
              class="button"
              onClick={() => {
                void navigator.clipboard?.writeText(value.text!).then(() => (copied.value = true));
              }}
            >
              {copied.value ? "Copied" : "Copy"}
            </button>
          </div>
        )}
        {value && value.address !== null && (
          <p>
            <a class="button primary" id="t-file" href={value.address} download={value.name ?? ""}>
              Save {value.name}
            </a>
          </p>
        )}
        {value === null && !busy && !problem && <p class="quiet small">{sentence("each of these gives the numbers on the screen again")}</p>}
      </Waiting>
    </>
  );
}
