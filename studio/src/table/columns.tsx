// The columns of the table, each with a small picture: one click puts it into the model, another takes it out.
import { useEffect } from "preact/hooks";
import { number, whole } from "../page/format";
import type { Column, ColumnHead } from "../remote/protocol";
import type { TableState } from "./state";

const KINDS: Readonly<Record<string, string>> = { number: "number", text: "text", boolean: "true or false", category: "category", date: "date", other: "other" };

export function Columns({ state }: { readonly state: TableState }) {
  const table = state.table.value!;
  const all = state.listed.value;
  const listed = all.slice(0, state.shown.value);
  const names = listed.map((head) => head.name).join("\n");
  useEffect(() => state.describe(listed.map((head) => head.name)), [names]);
  return (
    <section class="card t-columns" data-part="columns" aria-labelledby="t-columns-title">
      <header>
        <h2 id="t-columns-title">Columns</h2>
        <p class="small quiet">
          {table.rows !== null && `${whole(table.rows)} rows, `}
          {whole(table.columns.length)} columns
        </p>
      </header>
      <p class="small quiet t-name" title={table.name}>
        {table.name}
      </p>
      {table.columns.length > 8 && (
        <div class="field">
          <label for="t-search" class="unseen">
            Find a column
          </label>
          <input id="t-search" type="text" placeholder="Find a column" value={state.search.value} onInput={(event) => state.look(event.currentTarget.value)} />
        </div>
      )}
      <ul class="t-list">
        {listed.map((head) => (
          <Entry key={head.name} head={head} column={state.columns.value.get(head.name)} state={state} />
        ))}
      </ul>
      {listed.length === 0 && <p class="quiet small">No column is called so.</p>}
      {all.length > listed.length && (
        <button type="button" class="button" onClick={state.more}>
          {whole(all.length - listed.length)} more
        </button>
      )}
    </section>
  );
}

function Entry({ head, column, state }: { readonly head: ColumnHead; readonly column: Column | undefined; readonly state: TableState }) {
  const model = state.model.value;
  const target = model.formula === null && model.target === head.name;
  const inside = model.formula === null && model.terms.some((term) => term.factors.some((factor) => factor.column === head.name));
  const usable = head.kind !== "other" && !column?.problem;
  return (
    <li class={`t-entry${target ? " target" : inside ? " inside" : ""}`}>
      <div class="t-who">
        <span class="t-column" title={head.name}>
          {head.name}
        </span>
        <span class="small quiet">{column ? facts(column) : KINDS[head.kind]}</span>
      </div>
      <Small column={column} />
      <div class="t-do">
        <button
          type="button"
          class="button plain"
          aria-pressed={target}
          aria-label={`Explain ${head.name}`}
          disabled={!usable || model.formula !== null}
          onClick={() => state.explain(target ? "" : head.name)}
        >
          target
        </button>
        <button
          type="button"
          class="button plain"
          aria-pressed={inside}
          aria-label={inside ? `Take ${head.name} out of the model` : `Put ${head.name} into the model`}
          disabled={!usable || target || model.formula !== null}
          onClick={() => state.toggle(head.name)}
        >
          {inside ? "in" : "add"}
        </button>
      </div>
    </li>
  );
}

function facts(column: Column): string {
  if (column.problem) return column.problem;
  const said: string[] = [];
  if (column.kind === "number" && typeof column.low === "number" && typeof column.high === "number") said.push(`${number(column.low)} to ${number(column.high)}`);
  else if (column.kind === "date" && column.low !== null) said.push(`${column.low} to ${column.high}`);
  else if (column.distinct !== null) said.push(`${whole(column.distinct)}${column.sampled < column.rows ? " or more" : ""} ${column.distinct === 1 ? "value" : "values"}`);
  else said.push(KINDS[column.kind] ?? column.kind);
  if (column.missing > 0) said.push(`${whole(column.missing)} missing`);
  return said.join(", ");
}

/** A histogram, or bars of the commonest values. The words beside it say the same; the numbers are in its title. */
function Small({ column }: { readonly column: Column | undefined }) {
  if (!column) return <svg class="t-small" viewBox="0 0 72 28" aria-hidden="true" />;
  const counts = column.histogram?.counts ?? column.levels?.map((level) => level.count) ?? [];
  const top = Math.max(1, ...counts);
  const step = 72 / Math.max(counts.length, 1);
  const of = column.sampled < column.rows ? `, of ${whole(column.sampled)} rows drawn at random` : "";
  const said = column.histogram
    ? `Histogram of ${column.name}${of}: most between ${edges(column)}.`
    : column.levels
      ? `${column.levels.map((level) => `${level.value}: ${whole(level.count)}`).join(", ")}${of}.`
      : `${column.name} has no picture.`;
  return (
    <svg class="t-small" viewBox="0 0 72 28" preserveAspectRatio="none" role="img" aria-label={said}>
      <title>{said}</title>
      {counts.map((count, i) => (
        <rect x={i * step + (column.histogram ? 0.25 : 1)} y={28 - (27 * count) / top} width={Math.max(0.5, step - (column.histogram ? 0.5 : 2))} height={(27 * count) / top} />
      ))}
    </svg>
  );
}

function edges(column: Column): string {
  const { edges, counts } = column.histogram!;
  const place = counts.indexOf(Math.max(...counts));
  return `${number(edges[place]!)} and ${number(edges[place + 1]!)}`;
}
