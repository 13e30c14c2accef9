// The points, the line on the screen and the best one; points are dragged, added and deleted here.
import { useEffect, useRef } from "preact/hooks";
import { comparison, line, lossTitle, points, view } from "../state";
import { Canvas } from "./canvas";
import { LAYERS } from "./points_drawing";
import { PlaneHandle } from "./plane_keys";
import { down, find, letGo, move, place, up } from "./points_hand";
import { Handle } from "./points_keys";
import { flat, hovered, size } from "./points_places";

export function PointsPicture() {
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // A finger on a point moves it; anywhere else it scrolls the page.
    const canvas = root.current!.firstElementChild!;
    const hold = (event: Event) => {
      const touch = (event as TouchEvent).touches[0]!;
      const [px, py] = place(touch, canvas as HTMLElement);
      if (find(px, py, 24).kind !== "nothing") event.preventDefault();
    };
    canvas.addEventListener("touchstart", hold, { passive: false });
    return () => canvas.removeEventListener("touchstart", hold);
  }, []);
  const label =
    view.value === "compare"
      ? `${points.value.y.length} points and the lines of ${comparison.value.length} losses`
      : `${points.value.y.length} points and the line ${line.value}, of ${lossTitle.value}`;
  return (
    <div ref={root}>
      <Canvas
        layers={LAYERS}
        size={size}
        label={label}
        on={{ onPointerDown: down, onPointerMove: move, onPointerUp: up, onPointerLeave: () => (hovered.value = null), onPointerCancel: () => letGo() }}
      >
        {flat.value ? <Handle /> : <PlaneHandle />}
      </Canvas>
    </div>
  );
}
