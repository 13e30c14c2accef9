// A choice of loss: one of the catalogue with its option, one of a file that a server was given, or one typed here.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { LossSpec } from "../engine/types";
import { number, sentence } from "./format";
import { Formula, LOSS_FORMULAS } from "./math";
import { engine, problem } from "./state";

interface Props {
  readonly id: string;
  readonly loss: LossSpec;
  readonly onChange: (loss: LossSpec) => void;
  readonly disabled?: boolean;
  readonly brief?: boolean;
  readonly label?: string;
}

const TYPED = "typed:";
export const EXAMPLE = "y, p -> y > p ? 3*(y - p)^2 : (y - p)^2";

export function LossPicker({ id, loss, onChange, disabled = false, brief = false, label = "Loss" }: Props) {
  const known = engine.value.losses();
  const listed = loss.kind === "catalogue" ? loss.name : loss.kind === "file" ? `file:${loss.name}` : null;
  const entry = known.find((one) => one.name === listed);
  const choose = (value: string) => {
    if (value === TYPED) onChange({ kind: "typed", text: EXAMPLE });
    else if (value.startsWith("file:")) onChange({ kind: "file", name: value.slice(5) });
    else onChange({ kind: "catalogue", name: value });
  };
  const option = entry?.option;
  const value = loss.kind === "catalogue" ? (loss.option ?? option?.value) : undefined;
  return (
    <>
      <div class="field">
        <label for={id} class={disabled ? "lock" : brief ? "unseen" : ""}>
          {label}
        </label>
        <select
          id={id}
          disabled={disabled}
          value={loss.kind === "catalogue" ? loss.name : loss.kind === "typed" ? TYPED : `file:${loss.name}`}
          onChange={(event) => choose(event.currentTarget.value)}
        >
          {known.map((one) => (
            <option value={one.name}>{one.title}</option>
          ))}
          {loss.kind === "file" && !known.some((one) => one.name === `file:${loss.name}`) && <option value={`file:${loss.name}`}>{loss.name}</option>}
          <option value={TYPED}>your own, typed …</option>
        </select>
      </div>
      {!brief && entry && (
        <p class="small quiet">
          {LOSS_FORMULAS[entry.name] && (
            <>
              <Formula of={LOSS_FORMULAS[entry.name]!} />
              <br />
            </>
          )}
          {entry.about}
        </p>
      )}
      {option && value !== undefined && (
        <div class="field">
          <label for={`${id}-option`}>
            {option.name} <output>{number(value)}</output>
          </label>
          <input
            id={`${id}-option`}
            type="range"
            min={option.low}
            max={option.high}
            step={(option.high - option.low) / 100}
            value={value}
            disabled={disabled}
            onInput={(event) => onChange({ kind: "catalogue", name: entry!.name, option: Number(Number(event.currentTarget.value).toPrecision(4)) })}
          />
        </div>
      )}
      {loss.kind === "typed" && <Typed id={id} text={loss.text} disabled={disabled} onChange={(text) => onChange({ kind: "typed", text })} />}
    </>
  );
}

function Typed({ id, text, disabled, onChange }: { readonly id: string; readonly text: string; readonly disabled: boolean; readonly onChange: (text: string) => void }) {
  const draft = useSignal(text);
  useEffect(() => {
    draft.value = text;
  }, [text]);
  const wrong = problem.value !== null && problem.value.path.startsWith("loss");
  return (
    <div class="field">
      <label for={`${id}-typed`}>Your loss of one row</label>
      <textarea
        id={`${id}-typed`}
        rows={2}
        spellcheck={false}
        autocomplete="off"
        disabled={disabled}
        value={draft.value}
        aria-invalid={wrong}
        aria-describedby={`${id}-help`}
        onInput={(event) => {
          draft.value = event.currentTarget.value;
          onChange(event.currentTarget.value);
        }}
      />
      {wrong && (
        <p class="says bad" role="alert">
          {sentence(problem.value!.message)}
        </p>
      )}
      <p id={`${id}-help`} class="small quiet">
        <code>y</code> is observed, <code>p</code> predicted. Write with + − * / ^, comparisons, <code>a ? b : c</code>, abs, sqrt, exp, log, max, min …
        Derivatives are found for you.
      </p>
    </div>
  );
}
