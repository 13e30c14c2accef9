// The table's view: columns, a model built by clicking, and what was found. Columns and model and result stand side by side on a desk, and
// behind tabs on a telephone.
import { render } from "preact";
import { useMemo } from "preact/hooks";
import type { Connection } from "../remote/connection";
import { Builder } from "./builder";
import { Columns } from "./columns";
import { Result } from "./result";
import { createTable, type Part, type TableState } from "./state";
import "./table.css";

const PARTS: readonly (readonly [Part, string])[] = [
  ["columns", "Columns"],
  ["model", "Model"],
  ["result", "Result"],
];

function View({ state }: { readonly state: TableState }) {
  const hello = state.connection.hello.value;
  if (hello === null) return <p class="quiet">Asking gradline for its table …</p>;
  const given = state.given.value;
  if (hello.table === null && given === null) {
    return (
      <section class="card">
        <h2>No table</h2>
        <p>
          The studio was started without one. Stop it, and start it as <code>gradline studio flats.csv</code>, or from Python as <code>gl.studio(table)</code>.
        </p>
      </section>
    );
  }
  const part = state.part.value;
  return (
    <>
      {hello.table && (
        <div class="segments t-parts" role="group" aria-label="Parts of the table's view">
          {PARTS.map(([name, title]) => (
            <button type="button" aria-pressed={part === name} onClick={() => (state.part.value = name)}>
              {title}
            </button>
          ))}
        </div>
      )}
      <div class={`t-view${hello.table ? "" : " alone"}`} data-shown={hello.table ? part : "result"}>
        {hello.table && <Columns state={state} />}
        {hello.table && <Builder state={state} />}
        <Result state={state} />
      </div>
      <div class="unseen" role="status" aria-live="polite" id="t-said">
        {state.said.value}
      </div>
    </>
  );
}

let kept: { readonly connection: Connection; readonly state: TableState } | null = null;

/** The state outlives the view, so that a look at another view of the page loses nothing. */
function stateOf(connection: Connection): TableState {
  if (kept?.connection !== connection) {
    kept?.state.close();
    kept = { connection, state: createTable(connection) };
  }
  return kept.state;
}

/** The view as a component of the page. */
export function TableView({ connection }: { readonly connection: Connection }) {
  const state = useMemo(() => stateOf(connection), [connection]);
  return <View state={state} />;
}

/** The view in a place of its own; returns what takes it away again. */
export function mountTable(container: HTMLElement, connection: Connection): () => void {
  render(<TableView connection={connection} />, container);
  return () => render(null, container);
}

