// The page: its head, the four views, and how they stand on a desk, a tablet and a telephone.
import { useEffect, useRef } from "preact/hooks";
import { number, plain, sentence } from "./format";
import { Compare } from "./compare";
import { Dialogs, dialog } from "./dialogs";
import { Brand, Dash, Moon, Sun } from "./icons";
import { closeLesson, Lesson, openLesson } from "./lesson";
import { LossChart, left, theory } from "./pictures/loss_chart";
import { PointsPicture } from "./pictures/points_picture";
import { showPrediction } from "./pictures/points_places";
import { PairChoice, SurfacePicture } from "./pictures/surface_picture";
import { Proof } from "./proof";
import { connection } from "./server";
import { linkProblem } from "./sharing";
import { Settings } from "./settings";
import { set, startAfresh } from "./editing";
import {
  at,
  dimension,
  diverged,
  lesson,
  line,
  newInput,
  pane,
  points,
  predict,
  problem,
  residuals,
  said,
  settings,
  shown,
  solid,
  stability,
  steps,
  task,
  toOptimum,
  view,
  type Pane,
  type View,
} from "./state";
import { PointsTable, StepsTable, SurfaceTable } from "./tables";
import { TableMode } from "./table_mode";
import { Take } from "./take";
import { dark, toggleTheme } from "./theme";
import { Time } from "./time";

const VIEWS: readonly { readonly name: View; readonly title: string }[] = [
  { name: "watch", title: "Watch" },
  { name: "compare", title: "Compare" },
  { name: "take", title: "Take away" },
];
const TABLE = { name: "table", title: "Table" } as const;

function Head() {
  const shown = connection ? [...VIEWS, TABLE] : VIEWS;
  const list = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent) => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by === 0) return;
    const next = (shown.findIndex((one) => one.name === view.value) + by + shown.length) % shown.length;
    view.value = shown[next]!.name;
    (list.current!.children[next] as HTMLElement).focus();
    event.preventDefault();
  };
  return (
    <header class="head">
      <h1 class="brand">
        <Brand />
        <span>
          gradline <span>studio</span>
        </span>
      </h1>
      <div class="views" role="tablist" aria-label="Views" ref={list} onKeyDown={move}>
        {shown.map((one) => (
          <button
            type="button"
            role="tab"
            id={`tab-${one.name}`}
            aria-selected={view.value === one.name}
            aria-controls="view"
            tabIndex={view.value === one.name ? 0 : -1}
            onClick={() => (view.value = one.name)}
          >
            {one.title}
          </button>
        ))}
      </div>
      <div class="tools">
        <button type="button" class="button" id="lesson" aria-pressed={lesson.value > 0} onClick={() => (lesson.value > 0 ? closeLesson() : openLesson())}>
          Lesson
        </button>
        <button type="button" class="button plain" aria-label="Keys" onClick={() => (dialog.value = "keys")}>
          ?
        </button>
        <button type="button" class="button plain" id="theme" aria-label={dark.value ? "Light colours" : "Dark colours"} onClick={toggleTheme}>
          {dark.value ? <Sun /> : <Moon />}
        </button>
      </div>
    </header>
  );
}

function Lost() {
  const state = connection?.state.value;
  if (!connection || !state || state.kind === "open" || state.kind === "connecting") return null;
  return (
    <div class="banner" role="status" id="lost">
      {state.kind === "lost" ? "The connection to gradline is lost. Nothing on this page is; it is tried again by itself." : state.message}
      {state.kind === "lost" && (
        <button type="button" class="button" onClick={() => connection!.retry()}>
          Try now
        </button>
      )}
    </div>
  );
}

function Choice<T extends string | boolean>({ label, value, options, onPick }: { readonly label: string; readonly value: T; readonly options: readonly (readonly [T, string])[]; readonly onPick: (value: T) => void }) {
  return (
    <div class="segments" role="group" aria-label={label}>
      {options.map(([key, title]) => (
        <button type="button" aria-pressed={value === key} onClick={() => onPick(key)}>
          {title}
        </button>
      ))}
    </div>
  );
}

function Points() {
  const squared = settings.value.loss.kind === "catalogue" && settings.value.loss.name === "squared";
  return (
    <section class="card pane-points pane" data-pane="points" aria-labelledby="points-title">
      <header>
        <h2 id="points-title">{lesson.value === 1 ? "Points" : dimension.value === 1 ? "Points and line" : "Points and plane"}</h2>
        <div class="needs-line picks">
          {dimension.value === 2 && (
            <Choice label="View of the points" value={solid.value} options={[[false, "from above"], [true, "3-D"]]} onPick={(value) => (solid.value = value)} />
          )}
          <Choice
            label="Residuals"
            value={residuals.value}
            options={squared && dimension.value === 1 ? [["whiskers", "errors"], ["squares", "squares"], ["none", "none"]] : [["whiskers", "errors"], ["none", "none"]]}
            onPick={(value) => (residuals.value = value)}
          />
        </div>
      </header>
      <PointsPicture />
      <div class="needs-line under">
        {steps.value.length > 0 && <p class="equation" id="equation">{line.value}</p>}
        <p class="legend">
          <span>
            <Dash colour="var(--accent)" dash={[]} width={3} /> {toOptimum.value ? "at the optimum" : at.value === 0 ? "at the start" : `after ${at.value === 1 ? "1 step" : `${at.value} steps`}`}
          </span>
          {(lesson.value === 0 || lesson.value > 5) && (
            <span>
              <Dash colour="var(--ink)" dash={[6, 5]} width={1.75} /> best
            </span>
          )}
        </p>
      </div>
      <div class="under">
        <PointsTable />
        {(lesson.value === 0 || lesson.value === 7) && <Predict />}
      </div>
    </section>
  );
}

function Predict() {
  const values = newInput.value.slice(0, dimension.value);
  const value = predict(settings.value, shown.value, [values])[0];
  return (
    <div class="predict">
      <span>At</span>
      {points.value.inputs.map((name, j) => (
        <>
          <label for={`new-${j}`}>{name} =</label>
          <input
            id={`new-${j}`}
            type="text"
            inputmode="decimal"
            value={plain(values[j] ?? 0)}
            onInput={(event) => {
              const typed = Number(event.currentTarget.value.replace("−", "-"));
              if (event.currentTarget.value.trim() === "" || !Number.isFinite(typed)) return;
              newInput.value = newInput.value.map((old, k) => (k === j ? typed : old));
              showPrediction.value = true;
            }}
            onFocus={() => (showPrediction.value = true)}
          />
        </>
      ))}
      <span>
        the {dimension.value === 1 ? "line" : "plane"} says {points.value.target} ={" "}
        <output for="new-0" id="predicted" data-value={String(value)}>
          {value === undefined ? "—" : number(value, 5)}
        </output>
      </span>
    </div>
  );
}

function SurfaceCard() {
  return (
    <section class="card pane-surface pane" data-pane="surface" aria-labelledby="surface-title">
      <header>
        <h2 id="surface-title">The loss, from above</h2>
        <PairChoice />
      </header>
      <SurfacePicture />
      <div class="under">
        <p class="legend">
          <span>
            <svg viewBox="0 0 24 12" aria-hidden="true">
              <circle cx="6" cy="6" r="4.5" fill="var(--panel)" stroke="var(--accent)" stroke-width="2" />
            </svg>
            start, to be dragged
          </span>
          <span>
            <svg viewBox="0 0 24 12" aria-hidden="true">
              <path d="M2 6h8" stroke="var(--accent)" stroke-width="2" />
              <circle cx="14" cy="6" r="5" fill="var(--accent)" />
            </svg>
            path
          </span>
          <span>
            <svg viewBox="0 0 24 12" aria-hidden="true">
              <path d="M7 0l6 6-6 6-6-6z" fill="var(--ink)" />
            </svg>
            lowest
          </span>
        </p>
        <SurfaceTable />
      </div>
    </section>
  );
}

function Curve() {
  const ended = diverged.value !== null && at.value >= steps.value.length - 1;
  const rate = stability.value?.predictedRate ?? null;
  return (
    <section class="card pane-curve pane" data-pane="curve" aria-labelledby="curve-title">
      <header>
        <h2 id="curve-title">Loss against step</h2>
        <Choice label="Scale" value={left.value} options={[[true, "above the lowest"], [false, "loss"]]} onPick={(value) => (left.value = value)} />
      </header>
      <LossChart />
      <div class="under">
        <p class="legend">
          <span>
            <Dash colour="var(--accent)" dash={[]} /> this walk
          </span>
          {theory.value && rate !== null && (
            <span>
              <Dash colour="var(--ink)" dash={[6, 5]} width={1.75} /> theory: the distance times {rate > 0.999 && rate < 1 ? `1 − ${number(1 - rate, 2)}` : number(rate, 4)} a step
            </span>
          )}
        </p>
        <StepsTable />
      </div>
      {ended && (
        <p class="says bad" id="exploded" role="status">
          <strong>Ended at step {steps.value.length - 1}.</strong> {sentence(diverged.value ?? "")}{" "}
          {settings.value.method === "descent" && (
            <button type="button" class="button" onClick={() => set({ rate: "auto" })}>
              Take a stable rate
            </button>
          )}
        </p>
      )}
    </section>
  );
}

const PANES: readonly { readonly name: Pane; readonly title: string; readonly d: string }[] = [
  { name: "points", title: "Points", d: "M3 19 21 5M7 9h.01M16 16h.01M11 6h.01M18 12h.01" },
  { name: "surface", title: "Surface", d: "M12 4a9 8 0 1 0 0 16 9 8 0 0 0 0-16zM12 8.5a5 3.5 0 1 0 0 7 5 3.5 0 0 0 0-7z" },
  { name: "curve", title: "Loss", d: "M4 4v16h16M7 7c2 8 5 9 12 9.5" },
  { name: "settings", title: "Settings", d: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4" },
];

function Panes() {
  return (
    <nav class="panes" aria-label="Parts">
      {PANES.map((one) => (
        <button
          type="button"
          aria-current={pane.value === one.name}
          onClick={() => {
            pane.value = one.name;
            window.scrollTo({ top: 0 });
          }}
        >
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d={one.d} />
          </svg>
          {one.title}
        </button>
      ))}
    </nav>
  );
}

function Watch() {
  const root = useRef<HTMLDivElement>(null);
  const current = pane.value;
  useEffect(() => {
    for (const part of root.current!.querySelectorAll<HTMLElement>(".pane")) part.classList.toggle("shown", part.dataset["pane"] === current);
  });
  return (
    <>
      <div class="watch" ref={root}>
        <Points />
        <SurfaceCard />
        <Time />
        <Curve />
        <Proof />
        <section class="card pane-settings pane" data-pane="settings" aria-label="Settings">
          <Settings />
        </section>
      </div>
      <Panes />
    </>
  );
}

function Trouble() {
  const wrong = linkProblem.value ?? problem.value;
  // What is wrong with a typed loss is said where it is typed.
  if (!wrong || (wrong.path.startsWith("loss") && view.value === "watch")) return null;
  return (
    <p class="says bad" role="alert" id="trouble">
      {wrong.path && <strong>{wrong.path}: </strong>}
      {sentence(wrong.message)}
    </p>
  );
}

/** What somebody who made the link asks for. */
function Task() {
  if (task.value === "") return null;
  return (
    <section class="card task-card" aria-labelledby="your-task">
      <h2 id="your-task">Your task</h2>
      <p id="task-text">{task.value}</p>
    </section>
  );
}

export function App() {
  return (
    <>
      <a class="skip" href="#view">
        To the pictures
      </a>
      <Head />
      <Lost />
      <main class={view.value === "watch" ? "work watching" : "work"} tabIndex={-1}>
        <Lesson />
        <Task />
        <Trouble />
        <div id="view" role="tabpanel" aria-labelledby={`tab-${view.value}`} class="view">
        {view.value === "watch" && <Watch />}
        {view.value === "compare" && <Compare />}
        {view.value === "take" && <Take />}
        {view.value === "table" && <TableMode />}
        </div>
      </main>
      <footer class="foot">
        <span>
          {connection
            ? "Everything is calculated on this machine, in double precision: points in this page, tables and losses of files by gradline."
            : "Everything is calculated in this page, in double precision."}
        </span>
        <button type="button" class="button plain small" onClick={() => (dialog.value = "about")}>
          About
        </button>
        <button type="button" class="button plain small" id="afresh" onClick={startAfresh}>
          Start afresh
        </button>
      </footer>
      <div class="unseen" aria-live="polite" role="status" id="said">
        {said.value}
      </div>
      <Dialogs />
    </>
  );
}
