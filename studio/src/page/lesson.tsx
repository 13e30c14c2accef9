// Seven steps that retell the tutorial: each says one thing and asks for one thing, and shows only what it needs.
import { batch, effect, signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { number } from "./format";
import { Formula } from "./math";
import { arrow } from "./pictures/surface_picture";
import { showPrediction } from "./pictures/points_places";
import { usePreset } from "./presets";
import { set } from "./editing";
import {
  at,
  diverged,
  lesson,
  line,
  newInput,
  optimum,
  pane,
  playing,
  points,
  predict,
  residuals,
  say,
  settings,
  shown,
  shownLoss,
  stability,
  steps,
  toOptimum,
  view,
  type Pane,
} from "./state";

interface Part {
  readonly title: string;
  readonly text: () => ComponentChildren;
  readonly task: () => ComponentChildren;
  readonly enter: () => void;
  readonly done: () => boolean;
  readonly pane: Pane;
}

const Key = ({ of }: { readonly of: string }) => <kbd>{of}</kbd>;
let before: unknown = null;
/** Which tasks have been done. */
const did = signal<ReadonlySet<number>>(new Set());

const start = (b: number, w: number) => set({ start: [b, w] });
const lossOfNothing = () => {
  const { y } = points.value;
  return y.reduce((sum, value) => sum + value * value, 0) / y.length;
};

const PARTS: readonly Part[] = [
  {
    title: "Points around a line",
    pane: "points",
    text: () => (
      <p>
        Each point has an x and a y, and they lie around a straight line: it was <Formula of="y = 6 x − 5" />, with a little noise added to each. From here on
        we pretend not to know the 6 and the −5. Could a machine find them, from the points alone?
      </p>
    ),
    task: () => (
      <>
        Make them yours: drag a point, or press <Key of="G" /> and then the arrow keys.
      </>
    ),
    enter: () => {
      if (before === null) usePreset("few");
      before = points.value;
    },
    done: () => before !== null && points.value !== before,
  },
  {
    title: "Guess a line",
    pane: "points",
    text: () => (
      <p>
        A line has two numbers: a slope W and an intercept B. Given both, it predicts a y for every x: <Formula of="p = W x + B" />. The line in the picture
        begins at W = 0 and B = 0, which is no good. Learning will mean nothing more than changing these two numbers.
      </p>
    ),
    task: () => (
      <>
        Bring the line among the points: drag its two rings, or use the two sliders, with <Key of="Tab" /> and the arrow keys.
      </>
    ),
    enter: () => {
      residuals.value = "none";
      if (!toOptimum.value && at.value === 0 && lossOfNothing() > 0 && shownLoss.value < 0.25 * lossOfNothing()) return;
      at.value = 0;
      start(0, 0);
    },
    done: () => steps.value.length > 0 && shownLoss.value < 0.25 * lossOfNothing(),
  },
  {
    title: "What a loss is",
    pane: "points",
    text: () => (
      <p>
        How good is a line? Take each point’s error, up or down, and square it: that is the area of its square. The <em>loss</em> is the average,{" "}
        <Formula of="L = mean {( y − p )}^2" />, and small is good. Your line’s loss is <strong class="number">{number(shownLoss.value, 4)}</strong>. A point
        twice as far off counts four times as much.
      </p>
    ),
    task: () => <>Show the squares, with the switch above the picture. Then move the line, and watch them and the loss.</>,
    enter: () => {
      residuals.value = "whiskers";
    },
    done: () => residuals.value === "squares",
  },
  {
    title: "Downhill",
    pane: "surface",
    text: () => (
      <p>
        Every pair of W and B has a loss. Drawn over both, the losses form a bowl; the rings join pairs that are equally good. The <em>gradient</em> says which
        way is steepest up, so the arrow points the other way. A step goes a little along it: <Formula of="W ← W − η {∂L}/{∂W}" /> and{" "}
        <Formula of="B ← B − η {∂L}/{∂B}" />.
      </p>
    ),
    task: () => (
      <>
        Take three steps: <Key of="N" /> or the button “step”.
      </>
    ),
    enter: () => {
      arrow.value = true;
      if (at.value < 3) {
        at.value = 0;
        set({ start: [2, -2], rate: 0.1, momentum: 0, nesterov: false, batch: null, method: "descent" });
      }
    },
    done: () => at.value >= 3,
  },
  {
    title: "The rate, and its limit",
    pane: "settings",
    text: () => (
      <p>
        How long is a step? The <em>learning rate</em> η says. Too small, and nothing happens for a long time. Too large, and a step lands on the far side of
        the bowl, higher than it began. Exactly where that begins can be worked out: at <Formula of="η = 2 / λ" />
        {stability.value?.largestRate ? <> = {number(stability.value.largestRate)}</> : null}, with λ the sharpest curvature of the bowl.
      </p>
    ),
    task: () => (
      <>
        Break it: press “just above” and play (<Key of="P" />) until it explodes. Then press “just below”, and play again.
      </>
    ),
    enter: () => {
      exploded.value = false;
      at.value = 0;
    },
    done: () => exploded.value && diverged.value === null && at.value >= 20 && !playing.value === true,
  },
  {
    title: "The optimum, and its proof",
    pane: "curve",
    text: () => (
      <p>
        Does it ever arrive? For this loss the lowest point can be computed outright, and proved: the gradient there is nought, and the bowl has only one
        bottom. The descent creeps up to the same two numbers. A certificate beats a curve that merely looks flat.
      </p>
    ),
    task: () => (
      <>
        Press “To the optimum”, or <Key of="O" />.
      </>
    ),
    enter: () => {
      if (stability.value?.largestRate && settings.value.rate !== "auto" && settings.value.rate >= stability.value.largestRate) set({ rate: "auto" });
    },
    done: () => toOptimum.value && optimum.value?.certificate.converged === true,
  },
  {
    title: "A prediction",
    pane: "points",
    text: () => (
      <p>
        That is all: the line is <span class="number">{line.value}</span>, and nobody told it the 6 and the −5. Now it can say something about an x that it has
        never seen. At x = {number(newInput.value[0]!)} it says y ={" "}
        <strong class="number">{number(predict(settings.value, shown.value, [[...newInput.value].slice(0, 1)])[0] ?? NaN, 4)}</strong>.
      </p>
    ),
    task: () => <>Ask it for another x, in the field under the picture. Then close the lesson: everything is yours to try.</>,
    enter: () => {
      showPrediction.value = true;
      asked = newInput.value;
    },
    done: () => newInput.value !== asked,
  },
];
let asked: unknown = null;
const exploded = signal(false);

effect(() => {
  if (lesson.value === 0) delete document.documentElement.dataset["lesson"];
  else document.documentElement.dataset["lesson"] = String(lesson.value);
});
effect(() => {
  if (diverged.value !== null) exploded.value = true;
});
effect(() => {
  const now = lesson.value;
  if (now === 0 || did.peek().has(now)) return;
  if (PARTS[now - 1]!.done()) {
    did.value = new Set([...did.peek(), now]);
    say(now === PARTS.length ? "Done. That was the lesson." : "Done. On with the next step.");
  }
});

export function openLesson(): void {
  before = null;
  did.value = new Set();
  batch(() => {
    view.value = "watch";
    set({ loss: { kind: "catalogue", name: "squared" }, method: "descent", rate: 0.1, momentum: 0, nesterov: false, batch: null, standardised: false });
    enter(1);
  });
}

export function closeLesson(): void {
  lesson.value = 0;
  arrow.value = false;
  residuals.value = "whiskers";
  say("The lesson is closed.");
}

function enter(part: number): void {
  batch(() => {
    playing.value = false;
    toOptimum.value = part === 7 && toOptimum.value;
    arrow.value = false;
    lesson.value = part;
    pane.value = PARTS[part - 1]!.pane;
    PARTS[part - 1]!.enter();
  });
}

export function Lesson() {
  const body = useRef<HTMLDivElement>(null);
  const now = lesson.value;
  useEffect(() => {
    if (now > 0) body.current?.focus();
  }, [now]);
  if (now === 0) return null;
  const part = PARTS[now - 1]!;
  const done = did.value.has(now);
  const last = now === PARTS.length;
  return (
    <section class="lesson" aria-label="Lesson">
      <div class="body" ref={body} tabIndex={-1}>
        <h2>
          <span class="unseen">{`Step ${now} of ${PARTS.length}: `}</span>
          {part.title}
        </h2>
        {part.text()}
      </div>
      <div class="do">
        <div class="dots" role="group" aria-label="Steps of the lesson">
          {PARTS.map((one, k) => (
            <button
              type="button"
              class={did.value.has(k + 1) ? "done" : ""}
              aria-current={now === k + 1 ? "step" : undefined}
              aria-label={`Step ${k + 1}: ${one.title}${did.value.has(k + 1) ? ", done" : ""}`}
              onClick={() => enter(k + 1)}
            >
              {k + 1}
            </button>
          ))}
        </div>
        <p class="task" id="task" data-done={done}>
          <Tick done={done} />
          <span>{part.task()}</span>
        </p>
        <div class="turn">
          <button type="button" class={`button ${done ? "primary" : ""}`} id="lesson-next" onClick={() => (last ? closeLesson() : enter(now + 1))}>
            {last ? "Finish" : "Next"}
          </button>
          {now > 1 && (
            <button type="button" class="button" onClick={() => enter(now - 1)}>
              Back
            </button>
          )}
          <button type="button" class="button plain" onClick={closeLesson}>
            Close
          </button>
        </div>
      </div>
    </section>
  );
}

function Tick({ done }: { readonly done: boolean }) {
  return (
    <svg viewBox="0 0 16 16" aria-hidden="true">
      <circle cx="8" cy="8" r="7" fill={done ? "var(--accent)" : "none"} stroke={done ? "var(--accent)" : "var(--edge)"} stroke-width="1.5" />
      {done && <path d="m4.5 8.2 2.5 2.5 4.5-5" fill="none" stroke="var(--on-accent)" stroke-width="2" />}
    </svg>
  );
}
