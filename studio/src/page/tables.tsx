// The table behind each picture, made only while it is open.
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { number } from "./format";
import { comparison, names, pair, points, predict, settings, shown, steps, surface, titleOf } from "./state";

function Behind({ title, children }: { readonly title: string; readonly children: () => ComponentChildren }) {
  const open = useSignal(false);
  return (
    <details onToggle={(event) => (open.value = event.currentTarget.open)}>
      <summary>{title}</summary>
      {open.value && (
        <div class="scroll" tabIndex={0} role="region" aria-label={title}>
          {children()}
        </div>
      )}
    </details>
  );
}

const MOST = 500;

function Table({ heads, rows, note }: { readonly heads: readonly string[]; readonly rows: readonly (readonly (string | number)[])[]; readonly note?: string | undefined }) {
  return (
    <table>
      {note && <caption>{note}</caption>}
      <thead>
        <tr>
          {heads.map((head) => (
            <th scope="col">{head}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr>{row.map((cell, k) => (k === 0 ? <th scope="row">{show(cell)}</th> : <td>{show(cell)}</td>))}</tr>
        ))}
      </tbody>
    </table>
  );
}

function show(cell: string | number): string {
  return typeof cell === "number" ? number(cell, 5) : cell;
}

export function PointsTable() {
  return (
    <Behind title="The points as a table">
      {() => {
        const { x, y, inputs, target } = points.value;
        const predicted = predict(settings.value, shown.value, x);
        const rows = y.slice(0, MOST).map((value, i) => [String(i + 1), ...x[i]!, value, predicted[i]!, value - predicted[i]!]);
        return <Table heads={["point", ...inputs, target, "predicted", "residual"]} rows={rows} note={y.length > MOST ? `The first ${MOST} of ${y.length} points.` : undefined} />;
      }}
    </Behind>
  );
}

export function StepsTable() {
  return (
    <Behind title="The steps as a table">
      {() => {
        const all = steps.value;
        const every = Math.max(1, Math.ceil(all.length / 200));
        const rows = all
          .filter((_, k) => k % every === 0 || k === all.length - 1)
          .map((step) => [String(step.step), step.loss, step.gradientNorm, ...step.coefficients]);
        return <Table heads={["step", "loss", "norm of the gradient", ...names.value]} rows={rows} note={every > 1 ? `Every ${every}th step.` : undefined} />;
      }}
    </Behind>
  );
}

export function SurfaceTable() {
  return (
    <Behind title="The loss surface as a table">
      {() => {
        const seen = surface.value;
        if (!seen) return <p>Nothing yet.</p>;
        const [columns, lines] = [seen.first.length, seen.second.length];
        const pick = (length: number) => Array.from({ length: 7 }, (_, k) => Math.round((k * (length - 1)) / 6));
        const across = pick(columns);
        const rows = pick(lines)
          .reverse()
          .map((j) => [number(seen.second[j]!, 4), ...across.map((i) => seen.loss[j * columns + i]!)]);
        const [first, second] = pair.value;
        return <Table heads={[`${names.value[second]} \\ ${names.value[first]}`, ...across.map((i) => number(seen.first[i]!, 4))]} rows={rows} />;
      }}
    </Behind>
  );
}

export function InfluenceTable() {
  return (
    <Behind title="The influence curves as a table">
      {() => {
        const all = comparison.value;
        const residual = all[0]?.influence.residual ?? [];
        const every = Math.max(1, Math.floor(residual.length / 12));
        const rows = residual.filter((_, k) => k % every === 0).map((value, k) => [number(value, 3), ...all.map((one) => one.influence.slope[k * every] ?? NaN)]);
        return <Table heads={["residual", ...all.map((one) => titleOf(one.loss))]} rows={rows} />;
      }}
    </Behind>
  );
}
