// The plane turned by keyboard: one frame around its picture that takes the arrows.
import { say } from "../state";
import { FIRST_TURN, looked, turn, turnTo } from "./plane";

const DEGREE = Math.PI / 180;
const ARROWS: Readonly<Record<string, readonly [number, number]>> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

let telling: number | undefined;

function keys(event: KeyboardEvent): void {
  const direction = ARROWS[event.key];
  if (direction) {
    const far = (event.shiftKey ? 15 : 5) * DEGREE;
    turnTo(turn.value[0] + direction[0] * far, turn.value[1] + direction[1] * far);
  } else if (event.key === "Home") turnTo(...FIRST_TURN);
  else return;
  event.preventDefault();
  event.stopPropagation();
  window.clearTimeout(telling);
  telling = window.setTimeout(() => say(`${view()}.`), 350);
}

function view(): string {
  const [around, above] = looked();
  return `Turned by ${around} degrees, seen from ${above} degrees above`;
}

export function PlaneHandle() {
  return (
    <>
      <button type="button" id="plane" class="handle-plane" aria-label={`The plane. ${view()}`} aria-describedby="plane-keys" onKeyDown={keys} />
      <span id="plane-keys" class="unseen">
        Arrow keys turn it, with Shift further. Home turns it back.
      </span>
    </>
  );
}
