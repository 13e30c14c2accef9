// The controls: points, loss, how the walk goes, where it starts.
import { number, plain, plural } from "./format";
import { LossPicker } from "./loss_picker";
import { addBeside } from "./pictures/points_keys";
import { PRESETS, addOutlier, usePreset } from "./presets";
import { Rate } from "./rate";
import { set } from "./editing";
import { startRanges } from "./frames";
import { dimension, locked, names, points, rows, settings, stability } from "./state";
import { dialog } from "./dialogs";

export function Settings() {
  return (
    <>
      <AboutPoints />
      <section class="about-loss" aria-labelledby="about-loss">
        <h2 id="about-loss">The loss</h2>
        <LossPicker id="loss" loss={settings.value.loss} disabled={locked("loss")} onChange={(loss) => set({ loss })} />
      </section>
      <AboutWalk />
      <AboutStart />
    </>
  );
}

function AboutPoints() {
  const off = locked("points");
  return (
    <section class="about-points" aria-labelledby="about-points">
      <h2 id="about-points">The points</h2>
      <div class="field">
        <label for="preset" class={off ? "lock" : ""}>
          {plural(rows.value, "point")}, {points.value.inputs.join(" and ")} and {points.value.target}
        </label>
        <select id="preset" disabled={off} value="" onChange={(event) => usePreset(event.currentTarget.value)}>
          <option value="" disabled>
            Take other points …
          </option>
          {PRESETS.map((preset) => (
            <option value={preset.name}>{preset.title}</option>
          ))}
        </select>
      </div>
      {!off && (
        <div class="row">
          <button type="button" class="button" onClick={() => (dialog.value = "csv")}>
            Your own …
          </button>
          <button type="button" class="button" onClick={() => addBeside(null)}>
            Add a point
          </button>
          <button type="button" class="button" onClick={addOutlier}>
            Add an outlier
          </button>
        </div>
      )}
    </section>
  );
}

function AboutWalk() {
  const { method, momentum, nesterov, batch, seed, standardised } = settings.value;
  const descent = method === "descent";
  return (
    <section class="about-walk" aria-labelledby="about-walk">
      <h2 id="about-walk">The walk</h2>
      <div class="segments" role="group" aria-label="Method">
        <button type="button" aria-pressed={descent} disabled={locked("method")} onClick={() => set({ method: "descent" })}>
          gradient descent
        </button>
        <button type="button" aria-pressed={!descent} disabled={locked("method")} onClick={() => set({ method: "newton" })}>
          Newton
        </button>
      </div>
      {descent && (
        <>
          <Rate />
          <div class="field">
            <label for="momentum" class={locked("momentum") ? "lock" : ""}>
              Momentum <output class="number">{number(momentum, 3)}</output>
            </label>
            <input
              id="momentum"
              type="range"
              min={0}
              max={0.99}
              step={0.01}
              disabled={locked("momentum")}
              value={momentum}
              onInput={(event) => {
                const value = Number(event.currentTarget.value);
                set({ momentum: value, nesterov: nesterov && value > 0 });
              }}
            />
            <label class="check" style={{ justifyContent: "flex-start" }}>
              <input
                type="checkbox"
                checked={nesterov}
                disabled={locked("momentum") || momentum === 0}
                onChange={(event) => set({ nesterov: event.currentTarget.checked })}
              />
              look ahead (Nesterov)
            </label>
          </div>
          <div class="two">
            <div class="field">
              <label for="batch" class={locked("batch") ? "lock" : ""}>
                Rows a step
              </label>
              <input
                id="batch"
                type="text"
                inputmode="numeric"
                disabled={locked("batch")}
                value={batch === null ? "all" : String(batch)}
                onChange={(event) => {
                  const value = Math.round(Number(event.currentTarget.value));
                  const next = Number.isFinite(value) && value >= 1 && value < rows.value ? value : null;
                  set({ batch: next });
                  event.currentTarget.value = next === null ? "all" : String(next);
                }}
              />
            </div>
            {batch !== null && (
              <div class="field">
                <label for="seed">Seed</label>
                <input
                  id="seed"
                  type="text"
                  inputmode="numeric"
                  disabled={locked("batch")}
                  value={seed}
                  onChange={(event) => set({ seed: Math.max(0, Math.round(Number(event.currentTarget.value)) || 0) })}
                />
              </div>
            )}
          </div>
        </>
      )}
      <label class={`check ${locked("standardised") ? "lock" : ""}`}>
        <input
          type="checkbox"
          id="standardised"
          checked={standardised}
          disabled={locked("standardised")}
          onChange={(event) => set({ standardised: event.currentTarget.checked })}
        />
        standardise {dimension.value === 1 ? "x" : "the inputs"} first
      </label>
      <Condition />
    </section>
  );
}

/** How long the bowl is for its width: why standardising helps. */
function Condition() {
  const curvatures = stability.value?.curvatures ?? [];
  const [first, last] = [curvatures[0] ?? 0, curvatures[curvatures.length - 1] ?? 0];
  if (!(first > 0) || !(last > 0)) return null;
  const long = Math.sqrt(first / last);
  return (
    <p class="small quiet">
      The rings are {long < 1.05 ? "round" : `${number(long, 3)} times as long as wide`}: {long < 2 ? "every way down is as quick." : "along them the walk is slow."}
    </p>
  );
}

function AboutStart() {
  const off = locked("start");
  const { start } = settings.value;
  return (
    <section class="about-start" aria-labelledby="about-start">
      <h2 id="about-start">The start</h2>
      {[...start.keys()].reverse().map((k) => {
        const [low, high] = startRanges.value[k] ?? [-10, 10];
        const move = (value: number) => set({ start: start.map((old, j) => (j === k ? value : old)) });
        return (
          <div class="field">
            <label for={`start-${k}`} class={off ? "lock" : ""}>
              {names.value[k]} <output class="number">{number(start[k]!)}</output>
            </label>
            <input
              id={`start-${k}`}
              type="range"
              min={low}
              max={high}
              step={(high - low) / 400}
              disabled={off}
              value={start[k]}
              aria-valuetext={plain(start[k]!)}
              onInput={(event) => move(Number(Number(event.currentTarget.value).toPrecision(6)))}
            />
          </div>
        );
      })}
    </section>
  );
}
