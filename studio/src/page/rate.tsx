// The learning rate: a logarithmic slider with the largest stable rate marked on it, and why a rate beyond it must fail.
import { number, plain, sentence } from "./format";
import { set } from "./editing";
import { rateFrame } from "./frames";
import { locked, rate, settings, stability, tooFast, targetKind, lossEntry } from "./state";
import { Formula } from "./math";

/** Where the thumb's middle is, as a share of the slider's track: the track is drawn as far in as the thumb is half wide. */
function share(value: number): number {
  const [low, high] = rateFrame.value;
  return (Math.log10(value) - low) / (high - low);
}

export function Rate() {
  const [low, high] = rateFrame.value;
  const own = rate.value;
  const limit = stability.value?.largestRate ?? null;
  const off = locked("rate");
  const automatic = settings.value.rate === "auto";
  const choose = (value: number) => set({ rate: Number(value.toPrecision(3)) });
  const exact = (value: number) => set({ rate: value });
  const stop = limit === null ? 1 : Math.max(0, Math.min(1, share(limit)));
  return (
    <div class="field">
      <span class="label">
        <label for="rate" class={off ? "lock" : ""}>
          Learning rate
        </label>
        <input
          type="text"
          inputmode="decimal"
          aria-label="Learning rate as a number"
          id="rate-number"
          class="beside"
          disabled={off}
          value={own === null ? "" : plain(own)}
          onChange={(event) => {
            const value = Number(event.currentTarget.value);
            if (Number.isFinite(value) && value > 0) exact(value);
            else event.currentTarget.value = own === null ? "" : plain(own);
          }}
        />
      </span>
      <div class="rate">
        {limit !== null && (
          <span class="mark" id="rate-mark" style={{ left: `${stop * 100}%`, transform: `translateX(-${Math.round(stop * 100)}%)` }}>
            stable up to <strong class="number" data-limit={String(limit)}>{number(limit)}</strong>
          </span>
        )}
        <div class="track" aria-hidden="true">
          <Track low={low} high={high} stop={stop} limited={limit !== null} />
        </div>
        <input
          id="rate"
          type="range"
          min={low}
          max={high}
          step={0.01}
          disabled={off}
          value={own === null ? low : Math.log10(own)}
          aria-describedby={limit !== null ? "rate-mark" : undefined}
          aria-valuetext={own === null ? "chosen automatically" : `${number(own)}${tooFast.value ? ", above the largest stable rate" : ""}`}
          onInput={(event) => choose(10 ** Number(event.currentTarget.value))}
        />
      </div>
      <div class="thirds">
        <button type="button" class="button" aria-pressed={automatic} disabled={off} onClick={() => set({ rate: automatic ? (own ?? 0.1) : "auto" })}>
          auto
        </button>
        {limit !== null && (
          <>
            <button type="button" class="button" disabled={off} onClick={() => exact(0.99 * limit)}>
              just below
            </button>
            <button type="button" class="button" disabled={off} onClick={() => exact(1.01 * limit)}>
              just above
            </button>
          </>
        )}
      </div>
      <Why />
    </div>
  );
}

function Track({ low, high, stop, limited }: { readonly low: number; readonly high: number; readonly stop: number; readonly limited: boolean }) {
  const inset = 9;
  const x = (part: number) => `calc(${inset}px + ${part} * (100% - ${2 * inset}px))`;
  const decades = Array.from({ length: Math.round(high - low) + 1 }, (_, k) => k / (high - low));
  return (
    <svg>
      <rect style={{ x: `${inset}px`, y: "11px", width: `calc(${stop} * (100% - ${2 * inset}px))`, height: "6px" }} rx="3" fill="var(--line)" />
      {limited && stop < 1 && (
        <rect style={{ x: x(stop), y: "12.5px", width: `calc(${1 - stop} * (100% - ${2 * inset}px))`, height: "3px" }} fill="var(--accent)" opacity="0.45" />
      )}
      {decades.map((part) => (
        <rect style={{ x: x(part), y: "20px", width: "1px", height: "4px" }} fill="var(--edge)" />
      ))}
      {limited && <rect style={{ x: x(stop), y: "2px", width: "2px", height: "20px" }} fill="var(--ink)" />}
    </svg>
  );
}

/** Across the steepest side of the bowl a step of descent multiplies the error by 1 - rate * curvature. Drawn, and said. */
function Why() {
  const known = stability.value;
  const own = rate.value;
  if (!known) return null;
  const limit = known.largestRate;
  if (limit === null || own === null) return known.reason ? <p class="small quiet">{sentence(known.reason)}</p> : null;
  const curvature = known.curvatures[0] ?? NaN;
  const { momentum, nesterov } = settings.value;
  const near = lossEntry.value?.name === "squared" ? "" : " near the optimum";
  const warning = tooFast.value && (
    <p class="says bad" id="too-fast">
      <strong>{near === "" ? "This rate must fail." : "At this rate it cannot come to rest."}</strong> The loss curves by{" "}
      <Formula of={`λ = ${number(curvature, 3)}`} /> across its steepest side{near}. A step longer than {number(limit)} allows lands higher on the other side
      than where it began, and so does every step after it{near === "" ? ": the loss grows without end." : ", for as long as the walk is there."}
    </p>
  );
  if (momentum > 0 || targetKind.value !== "any") {
    return (
      <>
        {warning}
        {!warning && (
          <p class="small quiet">
            The limit is {momentum === 0 ? <Formula of="2 / λ" /> : nesterov ? <Formula of="{2 ( 1 + β )}/{( 1 + 2 β ) λ}" /> : <Formula of="{2 ( 1 + β )}/λ" />}
            {near}, with <Formula of={`λ = ${number(curvature, 3)}`} /> the sharpest curvature.
          </p>
        )}
      </>
    );
  }
  const factor = 1 - own * curvature;
  const says =
    Math.abs(factor) >= 1 ? "it lands higher every time" : factor < -0.02 ? "it overshoots, by less each time" : factor < 0.6 ? "it goes straight down" : "it creeps down";
  return (
    <>
      {warning}
      <div class="bounce">
        <Bounce factor={factor} />
        <p>
          Across the steepest side each step multiplies the error by <Formula of={`1 − η λ = ${number(factor, 3)}`} />: {says}.
        </p>
      </div>
    </>
  );
}

function Bounce({ factor }: { readonly factor: number }) {
  const x = (error: number) => 52 + 48 * error;
  const y = (error: number) => 64 - 56 * error * error;
  const curve = Array.from({ length: 41 }, (_, k) => -1.15 + (2.3 * k) / 40)
    .map((error, k) => `${k === 0 ? "M" : "L"}${x(error).toFixed(1)} ${y(error).toFixed(1)}`)
    .join("");
  let error = Math.abs(factor) >= 1 ? 0.35 : 0.95;
  const stops: number[] = [error];
  // What leaves the picture leaves it by little: a drawing knows no infinity.
  for (let k = 0; k < 8 && Math.abs(error) < 1.6; k++) stops.push((error = Math.max(-9, Math.min(9, error * factor))));
  const path = stops.map((stop, k) => `${k === 0 ? "M" : "L"}${x(stop).toFixed(1)} ${y(stop).toFixed(1)}`).join("");
  return (
    <svg viewBox="0 0 104 70" aria-hidden="true">
      <path d={curve} fill="none" stroke="var(--edge)" stroke-width="1.5" />
      <path d={path} fill="none" stroke="var(--accent)" stroke-width="1.5" stroke-linejoin="round" />
      {stops.map((stop, k) => (
        <circle cx={x(stop)} cy={y(stop)} r={k === 0 ? 4 : 2.6} fill={k === 0 ? "var(--panel)" : "var(--accent)"} stroke="var(--accent)" stroke-width={k === 0 ? 2 : 0} />
      ))}
    </svg>
  );
}
