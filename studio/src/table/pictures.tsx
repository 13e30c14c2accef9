// Diagnostics, curves and the path of a penalty, as pictures with their tables.
import { useMemo } from "preact/hooks";
import { number, sentence, whole } from "../page/format";
import type { Cloud, CurveLine, Fitted, PenaltyPath } from "../remote/protocol";
import { Waiting } from "./parts";
import { Plot, type Picture } from "./plot";
import type { TableState } from "./state";

export function DiagnosticPictures({ state }: { readonly state: TableState }) {
  const { value, busy, problem } = state.diagnostics.value;
  return (
    <Waiting busy={busy && !value} problem={problem}>
      {value && (
        <>
          {value.absent.map((one) => (
            <p class="small quiet">
              No {one.what}: {one.why}
            </p>
          ))}
          <div class="t-pictures">
            {value.pictures.map((cloud) => (
              <CloudPicture key={cloud.title} cloud={cloud} />
            ))}
          </div>
        </>
      )}
    </Waiting>
  );
}

function CloudPicture({ cloud }: { readonly cloud: Cloud }) {
  const picture = useMemo<Picture>(() => {
    const named = cloud.far.map((i) => cloud.rows[i]).join(", ");
    const right = cloud.title === "Quantiles" || cloud.title.startsWith("Calibration");
    return {
      label: `${cloud.title}: ${cloud.up} against ${cloud.across}.${named ? ` The rows farthest out are ${named}.` : ""}`,
      across: cloud.across,
      up: cloud.up,
      dots: { x: cloud.x, y: cloud.y, rows: cloud.rows, far: cloud.far, ...(cloud.bars ? { low: cloud.bars.low, high: cloud.bars.high } : {}) },
      ...(cloud.line ? { lines: [{ x: cloud.line.x, y: cloud.line.y, role: right ? ("right" as const) : ("fit" as const) }] } : {}),
      ...(cloud.band ? { band: cloud.band } : {}),
      zero: cloud.title === "Residuals" || cloud.title === "Influence",
      columns: [...(cloud.rows.length > 0 ? ["row"] : ["bin"]), cloud.across, cloud.up, ...(cloud.bars ? ["from", "to"] : [])],
      table: () =>
        cloud.x.map((x, i) => [String(cloud.rows[i] ?? i + 1), x, cloud.y[i]!, ...(cloud.bars ? [cloud.bars.low[i]!, cloud.bars.high[i]!] : [])]),
    };
  }, [cloud]);
  return (
    <section class="t-picture" aria-label={cloud.title}>
      <h3>{cloud.title}</h3>
      <Plot picture={picture} />
      <p class="small quiet">
        {cloud.reading}
        {cloud.drawn < cloud.of && ` ${whole(cloud.drawn)} of ${whole(cloud.of)} rows are drawn; the fit is of all.`}
      </p>
    </section>
  );
}

export function Curves({ fit }: { readonly fit: Fitted }) {
  return (
    <div class="t-pictures">
      {fit.curves.map((curve) => (
        <CurvePicture key={curve.name} curve={curve} />
      ))}
    </div>
  );
}

function CurvePicture({ curve }: { readonly curve: CurveLine }) {
  const picture = useMemo<Picture>(
    () => ({
      label: `The curve ${curve.name} with its 95% band.`,
      across: curve.name.replace(/^.*?\(|\).*$/g, ""),
      up: "part of the prediction",
      lines: [{ x: curve.x, y: curve.y, role: "fit" }],
      band: { x: curve.x, low: curve.low, high: curve.high },
      zero: true,
      columns: ["at", "curve", "from", "to"],
      table: () => curve.x.map((x, i) => [number(x, 5), curve.y[i]!, curve.low[i]!, curve.high[i]!]),
    }),
    [curve],
  );
  return (
    <section class="t-picture" aria-label={curve.name}>
      <h3>{curve.name}</h3>
      <Plot picture={picture} />
      <p class="small quiet">Its mean over the rows is zero. A band that holds a level line throughout leaves no effect to be seen.</p>
    </section>
  );
}

export function Path({ state }: { readonly state: TableState }) {
  const { value, busy, problem } = state.path.value;
  return (
    <Waiting busy={busy} problem={problem}>
      {value && <PathPictures state={state} path={value} />}
    </Waiting>
  );
}

function PathPictures({ state, path }: { readonly state: TableState; readonly path: PenaltyPath }) {
  const marks = [
    { x: path.strengths[path.best]!, name: "best" },
    { x: path.strengths[path.withinOneError]!, name: "within one error" },
  ];
  const slopes = useMemo<Picture>(
    () => ({
      label: `Slopes at ${path.strengths.length} strengths of the ${path.penalty}.`,
      across: "strength of the penalty",
      up: "slope",
      logarithmic: true,
      zero: true,
      lines: path.coefficients.map((y, j) => ({ x: path.strengths, y, role: j })),
      marks,
      columns: ["strength", ...path.names],
      table: () => path.strengths.map((strength, i) => [number(strength, 4), ...path.coefficients.map((line) => line[i]!)]),
    }),
    [path],
  );
  const held = useMemo<Picture>(
    () => ({
      label: `Loss of rows held out at each strength: ${path.heldOut.how}.`,
      across: "strength of the penalty",
      up: "loss of rows held out",
      logarithmic: true,
      lines: [{ x: path.strengths, y: path.heldOut.mean, role: "fit" }],
      band: { x: path.strengths, low: path.heldOut.mean.map((mean, i) => mean - path.heldOut.error[i]!), high: path.heldOut.mean.map((mean, i) => mean + path.heldOut.error[i]!) },
      marks,
      columns: ["strength", "held out", "error", "slopes that are not zero"],
      table: () => path.strengths.map((strength, i) => [number(strength, 4), path.heldOut.mean[i]!, path.heldOut.error[i]!, String(path.nonzero[i])]),
    }),
    [path],
  );
  const take = (place: number) => {
    const penalty = state.model.value.penalty ?? { name: "lasso" as const, strength: "auto" as const };
    state.change({ penalty: { ...penalty, strength: path.strengths[place]! } });
  };
  return (
    <>
      <div class="t-pictures">
        <section class="t-picture" aria-label="Slopes">
          <h3>Slopes</h3>
          <Plot picture={slopes} />
          <p class="small quiet">
            To the right the penalty is strong, and slopes are zero.
            {path.columns > path.names.length && ` The ${path.names.length} largest of ${whole(path.columns)} are drawn.`}
          </p>
        </section>
        <section class="t-picture" aria-label="Held out">
          <h3>Held out</h3>
          <Plot picture={held} />
          <p class="small quiet">{sentence(path.heldOut.how)} The lines mark the least loss, and the strongest penalty within one error of it.</p>
        </section>
      </div>
      <div class="t-row">
        <button type="button" class="button" onClick={() => take(path.best)}>
          Take the best: {number(path.strengths[path.best]!, 4)}
        </button>
        <button type="button" class="button" onClick={() => take(path.withinOneError)}>
          Within one error: {number(path.strengths[path.withinOneError]!, 4)}, {whole(path.nonzero[path.withinOneError]!)} slopes
        </button>
      </div>
    </>
  );
}
