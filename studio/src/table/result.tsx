// What was found: warnings first, then coefficients with errors, and what one asks next.
import { useRef } from "preact/hooks";
import { number, whole } from "../page/format";
import type { Coefficient, Concern, Fitted } from "../remote/protocol";
import { probability } from "./parts";
import { Curves, DiagnosticPictures, Path } from "./pictures";
import { Effects, Predict, TakeAway } from "./questions";
import type { Tab, TableState } from "./state";

export function Result({ state }: { readonly state: TableState }) {
  const { value, busy, problem } = state.fitted.value;
  const progress = state.progress.value;
  return (
    <section class={`card t-result${problem && value ? " old" : ""}`} data-part="result" aria-labelledby="t-result-title" aria-busy={busy}>
      <header>
        <h2 id="t-result-title">{value ? "The fit" : "Nothing fitted yet"}</h2>
        <p class="small quiet t-state" role="status">
          {busy
            ? progress
              ? `${progress.stage}: ${whole(progress.done)}${progress.total === null ? "" : ` of ${whole(progress.total)}`}`
              : "fitting …"
            : problem && value
              ? "of the model before"
              : value
                ? `${seconds(value.seconds)}, ${value.passes === 1 ? "1 pass" : `${whole(value.passes)} passes`} over the rows`
                : ""}
        </p>
      </header>
      {busy && <progress class="t-progress" aria-label="Fitting" {...(progress?.total ? { max: progress.total, value: Math.min(progress.done, progress.total) } : {})} />}
      {value ? <Found state={state} fit={value} /> : <p class="quiet">Choose a column to explain, and the columns that explain it. Every click is fitted at once, on all rows.</p>}
    </section>
  );
}

function seconds(value: number): string {
  return value < 1 ? `${Math.max(1, Math.round(1000 * value))} ms` : `${number(value, 3)} s`;
}

function Found({ state, fit }: { readonly state: TableState; readonly fit: Fitted }) {
  const tabs: readonly (readonly [Tab, string])[] = [
    ["coefficients", "Coefficients"],
    ["diagnostics", "Diagnostics"],
    ["effects", "Effects"],
    ...(fit.curves.length > 0 ? ([["curves", "Curves"]] as const) : []),
    ...(state.table.value ? ([["path", "Penalty path"]] as const) : []),
    ["predict", "Predict"],
    ["take", "Take away"],
  ];
  const list = useRef<HTMLDivElement>(null);
  const chosen = tabs.some(([name]) => name === state.tab.value) ? state.tab.value : "coefficients";
  const move = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0) return;
    const next = (tabs.findIndex(([name]) => name === chosen) + by + tabs.length) % tabs.length;
    state.open(tabs[next]![0]);
    (list.current!.children[next] as HTMLElement).focus();
    event.preventDefault();
  };
  return (
    <>
      <Warnings state={state} fit={fit} />
      <p class="t-written">
        <code id="t-written">{fit.formula}</code>
      </p>
      <div class="t-tabs" role="tablist" aria-label="What was found" ref={list} onKeyDown={move}>
        {tabs.map(([name, title]) => (
          <button
            type="button"
            role="tab"
            id={`t-tab-${name}`}
            aria-selected={chosen === name}
            aria-controls="t-panel"
            tabIndex={chosen === name ? 0 : -1}
            onClick={() => state.open(name)}
          >
            {title}
          </button>
        ))}
      </div>
      <div id="t-panel" role="tabpanel" aria-labelledby={`t-tab-${chosen}`} class="t-panel">
        {chosen === "coefficients" && <Coefficients fit={fit} />}
        {chosen === "diagnostics" && <DiagnosticPictures state={state} />}
        {chosen === "effects" && <Effects state={state} fit={fit} />}
        {chosen === "curves" && <Curves fit={fit} />}
        {chosen === "path" && <Path state={state} />}
        {chosen === "predict" && <Predict state={state} fit={fit} />}
        {chosen === "take" && <TakeAway state={state} />}
      </div>
    </>
  );
}

const LEVELS: Readonly<Record<Concern["level"], string>> = { serious: "Serious", look: "Look", note: "Note" };
const ORDER: readonly Concern["level"][] = ["serious", "look", "note"];

function Warnings({ state, fit }: { readonly state: TableState; readonly fit: Fitted }) {
  const all = [...fit.warnings, ...(state.diagnostics.value.value?.concerns ?? [])];
  const sorted = ORDER.flatMap((level) => all.filter((one) => one.level === level));
  const notes = sorted.filter((one) => one.level === "note");
  const loud = sorted.filter((one) => one.level !== "note");
  if (sorted.length === 0) {
    return <p class="says t-fine">{state.diagnostics.value.value ? "Nothing to warn of: the fit converged, and its rows look as the model says." : "The fit converged without a warning."}</p>;
  }
  return (
    <div class="t-warnings" id="t-warnings">
      {loud.map((one) => (
        <Warning one={one} />
      ))}
      {notes.length > 0 && (
        <details>
          <summary>{notes.length === 1 ? "1 note" : `${notes.length} notes`}</summary>
          {notes.map((one) => (
            <Warning one={one} />
          ))}
        </details>
      )}
    </div>
  );
}

function Warning({ one }: { readonly one: Concern }) {
  // A reason that begins with its title says it once.
  const text = one.title && one.text.startsWith(`${one.title}: `) ? one.text.slice(one.title.length + 2) : one.text;
  return (
    <p class={`says ${one.level === "serious" ? "bad" : one.level === "look" ? "warn" : ""}`}>
      <strong>
        {LEVELS[one.level]}
        {one.title && `: ${one.title}`}.
      </strong>{" "}
      {text} {one.remedy}
    </p>
  );
}

function Coefficients({ fit }: { readonly fit: Fitted }) {
  const errors = fit.coefficients.some((one) => one.low !== null);
  const statistic = fit.statistic;
  const several = fit.coefficients.some((one) => one.predictor !== "");
  const reach = Math.min(12, Math.max(3, ...fit.coefficients.map((one) => (one.error && one.low !== null && one.high !== null ? Math.max(Math.abs(one.low), Math.abs(one.high)) / one.error : 0))));
  return (
    <>
      <div class="scroll t-scroll" tabIndex={0} role="region" aria-label="Coefficients">
        <table id="t-coefficients">
          <thead>
            <tr>
              {several && <th scope="col">predictor</th>}
              <th scope="col">coefficient of</th>
              <th scope="col">estimate</th>
              {errors && statistic && (
                <>
                  <th scope="col">std error</th>
                  <th scope="col">{statistic}</th>
                </>
              )}
              {errors && (
                <>
                  <th scope="col">p</th>
                  <th scope="col">{Math.round(100 * fit.level)}% from</th>
                  <th scope="col">to</th>
                  {statistic && (
                    <th scope="col" class="t-bars">
                      <span class="unseen">interval, drawn</span>
                    </th>
                  )}
                </>
              )}
            </tr>
          </thead>
          <tbody>
            {fit.coefficients.map((one) => (
              <tr>
                {several && <td>{one.predictor}</td>}
                <th scope="row">{one.name}</th>
                <td>{one.estimate === null ? "left out" : number(one.estimate, 6)}</td>
                {errors && statistic && (
                  <>
                    <td>{shown(one.error)}</td>
                    <td>{shown(one.statistic, 3)}</td>
                  </>
                )}
                {errors && (
                  <>
                    <td>{probability(one.p)}</td>
                    <td>{shown(one.low)}</td>
                    <td>{shown(one.high)}</td>
                    {statistic && (
                      <td class="t-bars">
                        <Interval one={one} reach={reach} />
                      </td>
                    )}
                  </>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {fit.coefficientsLeftOut > 0 && <p class="small quiet">{whole(fit.coefficientsLeftOut)} more coefficients are in the model that is taken away.</p>}
      <dl class="t-facts">
        {fit.facts.filter((fact) => fact.label !== "formula").map((fact) => (
          <>
            <dt>{fact.label}</dt>
            <dd class={fact.tone}>{fact.text}</dd>
          </>
        ))}
      </dl>
    </>
  );
}

function shown(value: number | null, digits = 5): string {
  return value === null ? "" : number(value, digits);
}

/** The interval in units of its standard error, so that intervals of columns in different units can be compared: does it cross zero? */
function Interval({ one, reach }: { readonly one: Coefficient; readonly reach: number }) {
  if (one.estimate === null || one.low === null || one.high === null || !one.error) return null;
  const x = (value: number) => 60 + 58 * Math.max(-1, Math.min(1, value / one.error! / reach));
  const crosses = one.low <= 0 && one.high >= 0;
  return (
    <svg class="t-interval" viewBox="0 0 120 14" aria-hidden="true">
      <path d="M60 0v14" class="t-zero" />
      <path d={`M${x(one.low)} 7H${x(one.high)}`} class={crosses ? "t-crosses" : "t-clear"} />
      <circle cx={x(one.estimate)} cy="7" r="3" class={crosses ? "t-crosses" : "t-clear"} />
    </svg>
  );
}
