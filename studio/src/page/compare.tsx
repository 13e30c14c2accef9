// Up to four losses on the same points: their lines, what they make of an error, their coefficients and their errors on points held out.
import { useEffect } from "preact/hooks";
import type { LossSpec } from "../engine/types";
import { number, sentence } from "./format";
import { Dash } from "./icons";
import { LossPicker } from "./loss_picker";
import { DASHES } from "./pictures/marks";
import { PointsPicture } from "./pictures/points_picture";
import { ticks } from "./pictures/scale";
import { compared, compareProblem, comparison, locked, names, titleOf, engine } from "./state";
import { refresh, refreshSoon } from "./working_out";
import { InfluenceTable, PointsTable } from "./tables";
import { ink } from "./theme";

const MOST = 4;

function change(index: number, loss: LossSpec | null): void {
  const next = compared.value.slice();
  if (loss === null) next.splice(index, 1);
  else next[index] = loss;
  compared.value = next;
  refreshSoon();
}

export function Compare() {
  useEffect(() => {
    void refresh(false);
  }, []);
  const chosen = compared.value;
  const results = comparison.value;
  const off = locked("compare");
  const unused = engine.value.losses().find((entry) => entry.target === "any" && !chosen.some((one) => one.kind === "catalogue" && one.name === entry.name));
  return (
    <div class="compare">
      <section class="card" aria-labelledby="same-points">
        <header>
          <h2 id="same-points">The same points, {chosen.length === 1 ? "one loss" : `${chosen.length} losses`}</h2>
        </header>
        <PointsPicture />
        <p class="small quiet">Drag a point far away, and see which lines follow it.</p>
        <PointsTable />
      </section>
      <section class="card" aria-labelledby="losses">
        <header>
          <h2 id="losses">Losses</h2>
          {!off && chosen.length < MOST && unused && (
            <button type="button" class="button" id="add-loss" onClick={() => change(chosen.length, { kind: "catalogue", name: unused.name })}>
              Add a loss
            </button>
          )}
        </header>
        <div class="choices">
          {chosen.map((loss, k) => (
            <div class="choice" key={k}>
              <Dash colour={`var(--series-${k + 1})`} dash={DASHES[k]!} />
              <div>
                <LossPicker id={`loss-${k}`} loss={loss} disabled={off} brief label={`Loss ${k + 1}`} onChange={(next) => change(k, next)} />
              </div>
              {chosen.length > 1 && !off ? (
                <button type="button" class="button plain" aria-label={`Remove loss ${k + 1}, ${titleOf(loss)}`} onClick={() => change(k, null)}>
                  ✕
                </button>
              ) : (
                <span />
              )}
            </div>
          ))}
        </div>
        {compareProblem.value && (
          <p class="says bad" role="alert">
            {compareProblem.value.path && `${compareProblem.value.path}: `}
            {sentence(compareProblem.value.message)}
          </p>
        )}
        <div class="scroll" tabIndex={0} role="region" aria-label="Coefficients and errors">
          <table id="compared">
            <thead>
              <tr>
                <th scope="col">loss</th>
                {names.value
                  .slice()
                  .reverse()
                  .map((name) => (
                    <th scope="col">{name}</th>
                  ))}
                <th scope="col">its loss</th>
                <th scope="col">held out</th>
              </tr>
            </thead>
            <tbody>
              {results.map((one) => (
                <tr>
                  <th scope="row">{titleOf(one.loss)}</th>
                  {one.optimum.coefficients
                    .slice()
                    .reverse()
                    .map((value) => (
                      <td>{number(value, 4)}</td>
                    ))}
                  <td>{number(one.optimum.loss, 4)}</td>
                  <td>{one.leaveOneOut === null ? "—" : number(one.leaveOneOut, 4)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <p class="small quiet">
          “Held out” is the mean loss of points that were left out of the fit, one at a time, each by its own kind of loss: compare it with the loss beside it,
          not down the column.
        </p>
        <h3>What each makes of an error</h3>
        <Influences />
        <InfluenceTable />
      </section>
    </div>
  );
}

/** The influence curve: how hard a point pulls, against how far off it is. One scale for all, so that they can be compared. */
function Influences() {
  ink.value;
  const all = comparison.value;
  const tops = all.map((one) => one.influence.slope.reduce((top, value) => (Number.isFinite(value) ? Math.max(top, Math.abs(value)) : top), 0)).filter((top) => top > 0);
  if (tops.length === 0) return null;
  // A pull that grows without end may leave its picture: one that is bounded must not look like nothing beside it.
  const top = 1.1 * Math.min(Math.max(...tops), 2.5 * Math.min(...tops));
  return (
    <div class="influences">
      {all.map((one, k) => {
        const { residual, slope } = one.influence;
        const [low, high] = [residual[0]!, residual[residual.length - 1]!];
        const x = (value: number) => 4 + ((value - low) / (high - low || 1)) * 152;
        // Drawn as the pull on the line: towards the point.
        const y = (value: number) => 50 + Math.max(-4, Math.min(4, value / top)) * 44;
        const path = slope.map((value, i) => `${i === 0 ? "M" : "L"}${x(residual[i]!).toFixed(1)} ${y(Number.isFinite(value) ? value : 0).toFixed(1)}`).join("");
        return (
          <figure>
            <svg viewBox="0 0 160 100" preserveAspectRatio="none" role="img" aria-label={`Influence of ${titleOf(one.loss)}: how hard a point pulls, against its residual`}>
              <path d={`M4 50H156M${x(0)} 6V94`} stroke="var(--line)" vector-effect="non-scaling-stroke" />
              {ticks(low, high, 3).map((tick) => (
                <path d={`M${x(tick)} 48v4`} stroke="var(--edge)" vector-effect="non-scaling-stroke" />
              ))}
              <path d={path} fill="none" stroke={`var(--series-${k + 1})`} stroke-width="2.5" stroke-dasharray={DASHES[k]!.join(" ") || undefined} vector-effect="non-scaling-stroke" />
            </svg>
            <figcaption>{titleOf(one.loss)}</figcaption>
          </figure>
        );
      })}
    </div>
  );
}
