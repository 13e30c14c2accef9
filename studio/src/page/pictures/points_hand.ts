// Points and line taken hold of, by mouse or finger.
import { addPoint, movePoint, set } from "../editing";
import { dimension, locked, points, predict, selected, settings, shown } from "../state";
import { turn, turnTo } from "./plane";
import { asTarget, flat, grips, heightOf, hovered, tidy, xScale, yScale } from "./points_places";

type Held = { readonly kind: "point"; readonly index: number } | { readonly kind: "grip"; readonly index: number } | { readonly kind: "nothing" } | { readonly kind: "turn" };
let held: (Held & { startX: number; startY: number; moved: boolean }) | null = null;

export function place(event: { clientX: number; clientY: number }, box: HTMLElement): [number, number] {
  const { left, top } = box.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
}

export function find(px: number, py: number, reach: number): Held {
  if (!flat.value) return { kind: "turn" };
  const [x, y] = [xScale.value, yScale.value];
  const grip = grips.value.findIndex(([gx, gy]) => Math.hypot(x(gx) - px, y(gy) - py) < Math.max(12, reach));
  if (grip >= 0) return { kind: "grip", index: grip };
  let [best, nearest] = [-1, reach];
  const inputs = points.value.x;
  for (let i = 0; i < inputs.length; i++) {
    const distance = Math.hypot(x(inputs[i]![0]!) - px, y(heightOf(i)) - py);
    if (distance < nearest) [best, nearest] = [i, distance];
  }
  return best >= 0 ? { kind: "point", index: best } : { kind: "nothing" };
}

function moveTo(index: number, px: number, py: number): void {
  const [x, y] = [xScale.value, yScale.value];
  const clampedX = Math.max(x.from, Math.min(x.to, px));
  const clampedY = Math.max(y.to, Math.min(y.from, py));
  const first = tidy(x.invert(clampedX), x);
  const up = tidy(y.invert(clampedY), y);
  if (dimension.value === 1) movePoint(index, [first], asTarget(up));
  else movePoint(index, [first, up], points.value.y[index]!);
}

export function down(event: PointerEvent): void {
  if (event.button !== 0 || (event.target as HTMLElement).closest(".bubble")) return;
  const box = event.currentTarget as HTMLElement;
  const [px, py] = place(event, box);
  const found = find(px, py, event.pointerType === "mouse" ? 14 : 24);
  held = { ...found, startX: px, startY: py, moved: false };
  if (found.kind === "point") selected.value = found.index;
  if (found.kind !== "nothing") box.setPointerCapture(event.pointerId);
}

export function move(event: PointerEvent): void {
  const box = event.currentTarget as HTMLElement;
  const [px, py] = place(event, box);
  if (!held) {
    const found = find(px, py, 14);
    hovered.value = found.kind === "point" ? found.index : null;
    box.style.cursor = found.kind === "nothing" ? (locked("points") ? "default" : "crosshair") : "grab";
    return;
  }
  if (!held.moved && Math.hypot(px - held.startX, py - held.startY) < 4) return;
  held.moved = true;
  if (held.kind === "point" && !locked("points")) moveTo(held.index, px, py);
  if (held.kind === "grip") {
    const y = yScale.value;
    const other = grips.value[1 - held.index]!;
    const own = grips.value[held.index]!;
    const slope = (y.invert(py) - other[1]) / (own[0] - other[0]);
    set({ start: [tidy(other[1] - slope * other[0], y), Number(slope.toPrecision(4))] });
  }
  if (held.kind === "turn") {
    turnTo(turn.value[0] + (px - held.startX) * 0.008, turn.value[1] + (py - held.startY) * 0.006);
    held.startX = px;
    held.startY = py;
  }
}

export function up(event: PointerEvent): void {
  if (!held) return;
  const { kind, moved } = held;
  held = null;
  if (kind === "nothing" && !moved) {
    if (selected.value !== null) selected.value = null;
    else if (!locked("points")) {
      const [px, py] = place(event, event.currentTarget as HTMLElement);
      const [x, y] = [xScale.value, yScale.value];
      if (px < x.from || px > x.to || py < y.to || py > y.from) return;
      const [first, second] = [tidy(x.invert(px), x), tidy(y.invert(py), y)];
      if (dimension.value === 1) addPoint([first], asTarget(second));
      else addPoint([first, second], tidy(predict(settings.value, shown.value, [[first, second]])[0]!, y));
    }
  }
}


/** The pointer is needed elsewhere. */
export function letGo(): void {
  held = null;
}
