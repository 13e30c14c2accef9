// The model: what is explained by what, by which loss, with which errors and which penalty. Every change is fitted at once.
import { useSignal } from "@preact/signals";
import { sentence } from "../page/format";
import type { ModelSpec, PenaltyChoice, Term, Transform } from "../remote/protocol";
import { GROUPS, lossEntry } from "./losses";
import type { TableState } from "./state";

const TRANSFORMS: readonly (readonly [Transform, string])[] = [
  ["none", "as it is"],
  ["factor", "as a category"],
  ["spline", "as a curve s(x)"],
  ["poly", "as a polynomial"],
  ["log", "its logarithm"],
  ["log1p", "log of 1 + x"],
  ["sqrt", "its square root"],
  ["square", "its square"],
  ["standardise", "standardised"],
];

const ERRORS: readonly (readonly [ModelSpec["covariance"], string])[] = [
  ["default", "the loss's own"],
  ["classical", "classical"],
  ["HC1", "robust, HC1"],
  ["HC3", "robust, HC3"],
  ["HC0", "robust, HC0"],
  ["HC2", "robust, HC2"],
  ["cluster", "of clusters"],
  ["none", "none"],
];

const PENALTIES: readonly (readonly [PenaltyChoice["name"], string])[] = [
  ["ridge", "ridge"],
  ["lasso", "lasso"],
  ["elastic_net", "elastic net"],
  ["group_lasso", "group lasso"],
  ["scad", "SCAD"],
  ["mcp", "MCP"],
];

export function Builder({ state }: { readonly state: TableState }) {
  const model = state.model.value;
  const typed = model.formula !== null;
  return (
    <section class="card t-model" data-part="model" aria-labelledby="t-model-title">
      <header>
        <h2 id="t-model-title">Model</h2>
        <div class="segments" role="group" aria-label="How the formula is written">
          <button type="button" aria-pressed={!typed} onClick={() => state.change({ formula: null })}>
            by clicking
          </button>
          <button type="button" aria-pressed={typed} onClick={() => state.change({ formula: state.fitted.value.value?.formula ?? model.formula ?? (model.target ? `${quoted(model.target)} ~ 1` : "") })}>
            typed
          </button>
        </div>
      </header>
      {typed ? <Typed state={state} /> : <Clicked state={state} />}
      <Loss state={state} />
      <More state={state} />
      <Trouble state={state} />
    </section>
  );
}

const KEYWORDS =
  /^(False|None|True|and|as|assert|async|await|break|class|continue|def|del|elif|else|except|finally|for|from|global|if|import|in|is|lambda|nonlocal|not|or|pass|raise|return|try|while|with|yield)$/;

/** A column's name as a formula takes it. */
function quoted(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) && !KEYWORDS.test(name) ? name : `\`${name}\``;
}

function Trouble({ state }: { readonly state: TableState }) {
  const problem = state.fitted.value.problem;
  if (!problem) return null;
  return (
    <p class="says bad t-trouble" role="alert" id="t-problem">
      {sentence(problem.message)}
    </p>
  );
}

function Typed({ state }: { readonly state: TableState }) {
  return (
    <div class="field">
      <label for="t-formula">Formula</label>
      <textarea
        id="t-formula"
        rows={3}
        spellcheck={false}
        value={state.model.value.formula ?? ""}
        aria-invalid={state.fitted.value.problem?.path === "model, formula"}
        onInput={(event) => state.change({ formula: event.currentTarget.value })}
      />
      <p class="small quiet">
        <code>y ~ x + C(g) + s(z) + x:g</code>; <code>- 1</code> leaves the intercept out, <code>`a name`</code> quotes one that holds spaces.
      </p>
    </div>
  );
}

function Names({ state, kinds }: { readonly state: TableState; readonly kinds?: readonly string[] }) {
  const heads = state.heads.value.filter((head) => head.kind !== "other" && (!kinds || kinds.includes(head.kind)));
  return (
    <>
      {heads.slice(0, 2000).map((head) => (
        <option value={head.name}>{head.name}</option>
      ))}
    </>
  );
}

function Clicked({ state }: { readonly state: TableState }) {
  const model = state.model.value;
  return (
    <>
      <div class="two">
        <div class="field">
          <label for="t-target">Explain</label>
          <select id="t-target" value={model.target} onChange={(event) => state.explain(event.currentTarget.value)}>
            <option value="">choose a column …</option>
            <Names state={state} />
          </select>
        </div>
        <div class="field">
          <label for="t-target-transform">taken</label>
          <select id="t-target-transform" value={model.targetTransform} onChange={(event) => state.change({ targetTransform: event.currentTarget.value as ModelSpec["targetTransform"] })}>
            <option value="none">as it is</option>
            <option value="log">by its logarithm</option>
            <option value="log1p">by log of 1 + y</option>
            <option value="sqrt">by its square root</option>
          </select>
        </div>
      </div>
      <Classes state={state} />
      <h3 id="t-terms">by</h3>
      <ul class="t-terms" aria-labelledby="t-terms">
        {model.terms.map((term, place) => (
          <TermRow key={place} state={state} term={term} place={place} />
        ))}
      </ul>
      <div class="field">
        <label for="t-add" class="unseen">
          Add a column
        </label>
        <select
          id="t-add"
          value=""
          onChange={(event) => {
            if (event.currentTarget.value) state.add(event.currentTarget.value);
            event.currentTarget.value = "";
          }}
        >
          <option value="">add a column …</option>
          <Names state={state} />
        </select>
      </div>
      <label class="check">
        <input type="checkbox" checked={model.intercept} onChange={(event) => state.change({ intercept: event.currentTarget.checked })} />
        with an intercept
      </label>
    </>
  );
}

/** Of a text target: which class counts as 1. */
function Classes({ state }: { readonly state: TableState }) {
  const { value, problem } = state.fitted.value;
  if (!value?.classes || problem || state.model.value.target === "") return null;
  const [zero, one] = value.classes;
  return (
    <div class="field">
      <label for="t-class">counts as 1</label>
      <select id="t-class" value={one} onChange={(event) => state.change({ targetClass: event.currentTarget.value })}>
        {[zero, one].sort().map((name) => (
          <option value={name}>{name}</option>
        ))}
      </select>
      <p class="small quiet" id="t-classes">
        {one} counts as 1, {zero} as 0.
      </p>
    </div>
  );
}

function TermRow({ state, term, place }: { readonly state: TableState; readonly term: Term; readonly place: number }) {
  const name = term.factors.map((factor) => factor.column).join(" × ");
  const terms = state.model.value.terms;
  const wrong = state.fitted.value.problem?.path === `model, terms, ${place}`;
  const curved = (one: Term) => one.factors.some((factor) => factor.transform === "spline");
  const others = terms
    .map((other, i) => ({ other, i }))
    .filter(({ other, i }) => i !== place && other.factors.length + term.factors.length <= 3 && !curved(other) && !curved(term));
  return (
    <li class={`t-term${wrong ? " wrong" : ""}`}>
      <header>
        <span class="t-column" title={name}>
          {name}
        </span>
        <button type="button" class="button plain" aria-label={`Take ${name} out`} onClick={() => state.remove(place)}>
          <span aria-hidden="true">×</span>
        </button>
      </header>
      <div class="t-ways">
        {term.factors.map((factor, j) => (
          <>
            <label class="field">
              <span class={term.factors.length > 1 ? "" : "unseen"}>{factor.column}</span>
              <select
                aria-label={`How ${factor.column} is taken`}
                value={factor.transform}
                onChange={(event) => state.transform(place, j, event.currentTarget.value as Transform)}
              >
                {TRANSFORMS.filter(([transform]) => transform !== "spline" || term.factors.length === 1).map(([transform, title]) => (
                  <option value={transform}>{title}</option>
                ))}
              </select>
            </label>
            {factor.transform === "poly" && (
              <input
                type="number"
                min={1}
                max={9}
                aria-label={`Degree of ${factor.column}`}
                value={factor.degree ?? 2}
                onChange={(event) => state.transform(place, j, "poly", Math.min(9, Math.max(1, Math.round(Number(event.currentTarget.value)) || 2)))}
              />
            )}
          </>
        ))}
        {others.length > 0 && (
          <select
            aria-label={`Interaction of ${name} with`}
            value=""
            onChange={(event) => {
              if (event.currentTarget.value !== "") state.interact(place, Number(event.currentTarget.value));
              event.currentTarget.value = "";
            }}
          >
            <option value="">× with …</option>
            {others.map(({ other, i }) => (
              <option value={i}>{other.factors.map((factor) => factor.column).join(" × ")}</option>
            ))}
          </select>
        )}
      </div>
    </li>
  );
}

function Loss({ state }: { readonly state: TableState }) {
  const { loss } = state.model.value;
  const own = state.connection.hello.value?.losses ?? [];
  const entry = loss.kind === "catalogue" ? lossEntry(loss.name) : undefined;
  const choose = (value: string) => {
    if (value.startsWith("file:")) {
      state.change({ loss: { kind: "file", name: value.slice(5), options: {} } });
      return;
    }
    const chosen = lossEntry(value);
    const options = chosen?.option ? { [chosen.option.name]: chosen.option.value } : {};
    state.change({ loss: { kind: "catalogue", name: value, options } });
  };
  const wrong = state.fitted.value.problem?.path.endsWith("loss") ?? false;
  return (
    <div class={entry?.option ? "two t-loss" : "t-loss"}>
      <div class="field">
        <label for="t-loss">Loss</label>
        <select id="t-loss" aria-invalid={wrong} aria-describedby="t-loss-about" value={loss.kind === "file" ? `file:${loss.name}` : loss.name} onChange={(event) => choose(event.currentTarget.value)}>
          {own.length > 0 && (
            <optgroup label="Your own">
              {own.map((one) => (
                <option value={`file:${one.name}`}>
                  {one.name}, {one.file}
                </option>
              ))}
            </optgroup>
          )}
          {GROUPS.map((group) => (
            <optgroup label={group.title}>
              {group.losses.map((one) => (
                <option value={one.name}>{one.title}</option>
              ))}
            </optgroup>
          ))}
        </select>
      </div>
      {entry?.option && (
        <div class="field">
          <label for="t-option">{entry.option.title}</label>
          <input
            id="t-option"
            type="number"
            step={entry.option.step}
            value={String(loss.options?.[entry.option.name] ?? entry.option.value)}
            onChange={(event) => {
              const value = Number(event.currentTarget.value);
              if (event.currentTarget.value !== "" && Number.isFinite(value)) state.change({ loss: { ...loss, options: { ...loss.options, [entry.option!.name]: value } } });
            }}
          />
        </div>
      )}
      <p class="small quiet" id="t-loss-about">
        {entry?.about ?? "A function of your own, differentiated by its framework."}
      </p>
    </div>
  );
}

function More({ state }: { readonly state: TableState }) {
  const model = state.model.value;
  const used = [model.weights, model.frequencies, model.penalty, model.covariance === "default" ? null : model.covariance].filter(Boolean).length;
  const open = useSignal(used > 0);
  const penalty = model.penalty;
  const pick = (name: string) => (name === "" ? null : name);
  const set = (changes: Partial<PenaltyChoice>) => state.change({ penalty: { ...penalty!, ...changes } });
  return (
    <details class="t-more" open={open.value} onToggle={(event) => (open.value = event.currentTarget.open)}>
      <summary>Weights, errors and penalty{used > 0 ? ` (${used} set)` : ""}</summary>
      <div class="two">
        <div class="field">
          <label for="t-weights">Precision weights</label>
          <select id="t-weights" value={model.weights ?? ""} onChange={(event) => state.change({ weights: pick(event.currentTarget.value) })}>
            <option value="">none</option>
            <Names state={state} kinds={["number"]} />
          </select>
        </div>
        <div class="field">
          <label for="t-frequencies">Each row counts</label>
          <select id="t-frequencies" value={model.frequencies ?? ""} onChange={(event) => state.change({ frequencies: pick(event.currentTarget.value) })}>
            <option value="">once</option>
            <Names state={state} kinds={["number"]} />
          </select>
        </div>
        <div class="field">
          <label for="t-errors">Standard errors</label>
          <select id="t-errors" value={model.covariance} onChange={(event) => state.change({ covariance: event.currentTarget.value as ModelSpec["covariance"] })}>
            {ERRORS.map(([kind, title]) => (
              <option value={kind}>{title}</option>
            ))}
          </select>
        </div>
        {model.covariance === "cluster" && (
          <div class="field">
            <label for="t-groups">Clusters</label>
            <select id="t-groups" value={model.groups ?? ""} onChange={(event) => state.change({ groups: pick(event.currentTarget.value) })}>
              <option value="">choose a column …</option>
              <Names state={state} />
            </select>
          </div>
        )}
        <div class="field">
          <label for="t-penalty">Penalty</label>
          <select
            id="t-penalty"
            value={penalty?.name ?? ""}
            onChange={(event) => {
              const name = event.currentTarget.value as PenaltyChoice["name"] | "";
              state.change({ penalty: name === "" ? null : { name, strength: penalty?.strength ?? "auto", ...(name === "elastic_net" ? { share: 0.5 } : {}) } });
            }}
          >
            <option value="">none</option>
            {PENALTIES.map(([name, title]) => (
              <option value={name}>{title}</option>
            ))}
          </select>
        </div>
        {penalty && (
          <div class="field">
            <label for="t-strength">Strength; empty: chosen by rows held out</label>
            <input
              id="t-strength"
              type="number"
              min={0}
              step="any"
              placeholder="chosen by the data"
              value={penalty.strength === "auto" ? "" : String(penalty.strength)}
              onChange={(event) => {
                const value = Number(event.currentTarget.value);
                if (event.currentTarget.value === "") set({ strength: "auto" });
                else if (Number.isFinite(value)) set({ strength: value });
              }}
            />
          </div>
        )}
        {penalty?.name === "elastic_net" && (
          <div class="field">
            <label for="t-share">Share of the lasso in it</label>
            <input
              id="t-share"
              type="number"
              min={0}
              max={1}
              step={0.1}
              value={String(penalty.share ?? 0.5)}
              onChange={(event) => {
                const value = Number(event.currentTarget.value);
                if (event.currentTarget.value !== "" && Number.isFinite(value)) set({ share: value });
              }}
            />
          </div>
        )}
      </div>
    </details>
  );
}
