// Play, step, ten steps, back, reset; the slider over the steps taken; the numbers of the step on the screen.
import { effect } from "@preact/signals";
import { number, steady, whole } from "./format";
import { Back, Pause, Play, Reset, Step as StepSign, Ten } from "./icons";
import { arrived, at, current, diverged, optimum, playing, say, shownLoss, speed, steps, toOptimum } from "./state";
import { back, forward, goTo, reset, sayWhere, step } from "./walking";
import { still } from "./theme";

const SPEEDS = [
  { steps: 0.1, name: "slow" },
  { steps: 1, name: "normal" },
  { steps: 10, name: "fast" },
] as const;
const LONGEST = 20_000; // steps, after which playing pauses

effect(() => {
  if (!playing.value) return;
  let due = 0;
  let frame = 0;
  const stop = () => {
    playing.value = false;
    sayWhere();
  };
  const turn = () => {
    if (!playing.peek()) return;
    due += speed.peek();
    const count = Math.floor(due);
    due -= count;
    if (count > 0) forward(count);
    const last = at.peek() >= steps.peek().length - 1;
    if ((diverged.peek() !== null && last) || arrived.peek() || at.peek() >= LONGEST) {
      stop();
      return;
    }
    frame = requestAnimationFrame(turn);
  };
  frame = requestAnimationFrame(turn);
  return () => cancelAnimationFrame(frame);
});

export function togglePlay(): void {
  if (playing.value) {
    playing.value = false;
    sayWhere();
    return;
  }
  if (still.value) {
    // Without movement: a hundred steps at once.
    step(100);
    return;
  }
  if (toOptimum.value || arrived.value || (diverged.value !== null && at.value >= steps.value.length - 1)) {
    toOptimum.value = false;
    at.value = 0;
  }
  playing.value = true;
  say("Playing.");
}

export function Time() {
  const here = current.value;
  const ended = diverged.value !== null && at.value >= steps.value.length - 1;
  const none = here === null;
  return (
    <section class="time" aria-label="Time">
      <div class="moves">
        <button type="button" class="button primary play" id="play" disabled={none} onClick={togglePlay} aria-label={playing.value ? "Pause" : still.value ? "Run 100 steps" : "Play"}>
          {playing.value ? <Pause /> : <Play />} <span>{playing.value ? "pause" : still.value ? "run 100" : "play"}</span>
        </button>
        <button type="button" class="button" id="step" disabled={none || ended} onClick={() => step(1)} aria-label="One step">
          <StepSign /> <span class="wide">step</span>
        </button>
        <button type="button" class="button" id="ten" disabled={none || ended} onClick={() => step(10)} aria-label="Ten steps">
          <Ten /> <span class="wide">ten</span>
        </button>
        <button type="button" class="button" id="back" disabled={none || (at.value === 0 && !toOptimum.value)} onClick={() => back(1)} aria-label="One step back">
          <Back /> <span class="wide">back</span>
        </button>
        <button type="button" class="button" id="reset" disabled={none || (steps.value.length <= 1 && !toOptimum.value)} onClick={reset} aria-label="Back to the start">
          <Reset /> <span class="wide">reset</span>
        </button>
        {!still.value && (
          <span class="segments wide" role="group" aria-label="Speed">
            {SPEEDS.map((one) => (
              <button type="button" aria-pressed={speed.value === one.steps} onClick={() => (speed.value = one.steps)}>
                {one.name}
              </button>
            ))}
          </span>
        )}
      </div>
      <div class="scrub">
        <input
          type="range"
          aria-label="Step looked at"
          min={0}
          max={Math.max(1, steps.value.length - 1)}
          step={1}
          value={at.value}
          disabled={steps.value.length <= 1}
          aria-valuetext={here ? `step ${here.step}, loss ${number(here.loss)}` : "no steps yet"}
          onInput={(event) => goTo(Number(event.currentTarget.value))}
        />
      </div>
      <dl class="read">
        <div>
          <dt>step</dt>
          <dd id="step-now">{toOptimum.value ? "—" : whole(here?.step ?? 0)}</dd>
        </div>
        <div>
          <dt>loss</dt>
          <dd id="loss-now" data-value={String(shownLoss.value)}>
            {Number.isNaN(shownLoss.value) ? "—" : steady(shownLoss.value)}
          </dd>
        </div>
        <div class="wide">
          <dt>lowest</dt>
          <dd class="quiet">{optimum.value?.certificate.converged ? steady(optimum.value.loss) : "—"}</dd>
        </div>
      </dl>
    </section>
  );
}
