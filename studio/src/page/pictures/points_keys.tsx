// Points by keyboard: one handle, on the point chosen.
import { addPoint, deletePoint, movePoint } from "../editing";
import { number } from "../format";
import { frameX, frameY, settleFrames } from "../frames";
import { current, dimension, locked, points, say, selected, targetKind } from "../state";
import { asTarget, heightOf, size, tidy, xScale, yScale } from "./points_places";

function byPosition(): number[] {
  const { x } = points.value;
  return x.map((_, i) => i).sort((a, b) => x[a]![0]! - x[b]![0]! || a - b);
}

export function choose(change: number | "first" | "last"): void {
  const order = byPosition();
  const place = order.indexOf(selected.value ?? order[0]!);
  const next = change === "first" ? 0 : change === "last" ? order.length - 1 : Math.max(0, Math.min(order.length - 1, place + change));
  selected.value = order[next]!;
  say(`${describe(order[next]!)}, ${next + 1} of ${order.length} from the left.`);
}

function describe(index: number): string {
  const { x, y, inputs, target } = points.value;
  const parts = inputs.map((name, j) => `${name} ${number(x[index]![j]!)}`);
  return `Point ${index + 1}: ${parts.join(", ")}, ${target} ${number(y[index]!)}`;
}

let telling: number | undefined;

function keys(event: KeyboardEvent): void {
  const index = selected.value ?? byPosition()[0] ?? 0;
  const [x, y] = [xScale.value, yScale.value];
  const far = event.shiftKey ? 10 : 1;
  const arrows: Record<string, readonly [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const direction = arrows[event.key];
  if (direction) {
    if (!locked("points")) {
      selected.value = index;
      const row = points.value.x[index]!;
      const first = tidy(row[0]! + direction[0] * far * 0.01 * (x.high - x.low), x);
      const whole = dimension.value === 1 && ["binary", "signs", "count"].includes(targetKind.value);
      const second = heightOf(index) + direction[1] * (whole ? 1.01 : far * 0.01 * (y.high - y.low));
      if (dimension.value === 1) movePoint(index, [first], asTarget(tidy(second, y)));
      else movePoint(index, [first, tidy(second, y)], points.value.y[index]!);
      window.clearTimeout(telling);
      telling = window.setTimeout(() => say(`${describe(index)}. Loss ${number(current.value?.loss ?? NaN)}.`), 350);
    }
  } else if (event.key === "PageDown" || event.key === "]") choose(1);
  else if (event.key === "PageUp" || event.key === "[") choose(-1);
  else if (event.key === "Home") choose("first");
  else if (event.key === "End") choose("last");
  else if ((event.key === "Delete" || event.key === "Backspace") && !locked("points")) deletePoint(index);
  else if ((event.key === "Enter" || event.key === " ") && !locked("points")) addBeside(index);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** A point next to another, so that it can be moved from there. */
export function addBeside(index: number | null): void {
  const { x, y } = points.value;
  const base = index === null ? undefined : x[index];
  const middle = [0.5 * (frameX.value[0] + frameX.value[1]), 0.5 * (frameY.value[0] + frameY.value[1])];
  const [sx, sy] = [xScale.value, yScale.value];
  const first = tidy((base?.[0] ?? middle[0]!) + 0.04 * (sx.high - sx.low), sx);
  if (dimension.value === 1) addPoint([first], asTarget(tidy(index === null ? middle[1]! : y[index]!, sy)));
  else addPoint([first, tidy(base?.[1] ?? middle[1]!, sy)], index === null ? 0 : y[index]!);
  settleFrames();
}

export function Handle() {
  const index = selected.value ?? byPosition()[0];
  if (index === undefined || index >= points.value.y.length) return null;
  const [left, top] = [xScale.value(points.value.x[index]![0]!), yScale.value(heightOf(index))];
  return (
    <>
      <button
        type="button"
        id="point"
        class="handle off"
        style={{ left: `${left}px`, top: `${top}px` }}
        aria-label={describe(index)}
        aria-describedby="point-keys"
        onKeyDown={keys}
        onFocus={() => {
          if (selected.value === null) selected.value = index;
        }}
      />
      <span id="point-keys" class="unseen">
        Arrow keys move the point, with Shift further. Page Up and Page Down choose another. Enter adds one beside it, Delete removes it.
      </span>
      {selected.value !== null && (
        <div class={`bubble ${top < 64 ? "below" : ""}`} style={{ left: `${Math.max(70, Math.min(size.value.width - 70, left))}px`, top: `${top}px` }}>
          <span>
            {points.value.inputs.map((name, j) => `${name} ${number(points.value.x[index]![j]!)}  `)}
            {points.value.target} {number(points.value.y[index]!)}
          </span>
          {!locked("points") && (
            <button type="button" onClick={() => deletePoint(index)}>
              delete
            </button>
          )}
        </div>
      )}
    </>
  );
}
