// The certificate: how far the coefficients on the screen are from the optimum, and how that is known.
import { number, sentence } from "./format";
import { Seal } from "./icons";
import { arrived, current, lowestProved, names, optimum, shown, shownLoss, standing, toOptimum } from "./state";
import { jumpToOptimum } from "./walking";

export function Proof() {
  const best = optimum.value;
  const known = standing.value;
  const above = (known?.toOptimum ?? 0) || 0;
  const there = (toOptimum.value || arrived.value) && best?.certificate.converged === true;
  return (
    <section class="card proof pane" data-pane="curve" aria-labelledby="proof">
      <header>
        <h2 id="proof">Certificate</h2>
        <button type="button" class="button" id="to-optimum" disabled={best === null || toOptimum.value} onClick={jumpToOptimum}>
          To the optimum
        </button>
      </header>
      <div class="seal">
        <Seal proved={there && lowestProved.value} />
        <p>
          {best === null ? (
            "Nothing to certify yet."
          ) : !best.certificate.converged ? (
            <>
              <strong>No lowest point is proved.</strong> {sentence(best.certificate.reason)}
            </>
          ) : there ? (
            <>
              <strong>{lowestProved.value ? "The lowest point, proved." : "The lowest point nearby."}</strong> {sentence(best.certificate.reason)}
            </>
          ) : !lowestProved.value ? (
            <>
              <strong>Not there yet.</strong> The lowest point found has a loss of {number(best.loss, 5)}; this one is {number(Math.abs(above), 3)} {above < 0 ? "below" : "above"} it. The
              loss is not convex, so that another minimum may lie lower.
            </>
          ) : (
            <>
              <strong>Not there yet.</strong> No line has a loss below {number(best.loss, 5)}; this one is {number(above, 3)} above it.
            </>
          )}
        </p>
      </div>
      {best && (
        <dl>
          {[...shown.value.keys()].reverse().map((k) => (
            <>
              <dt>{names.value[k]}</dt>
              <dd data-coefficient={k} data-value={String(shown.value[k])}>
                {number(shown.value[k]!, 6)}
              </dd>
            </>
          ))}
          <dt>loss</dt>
          <dd>{number(shownLoss.value, 6)}</dd>
          <dt>{best.certificate.converged && !lowestProved.value ? "above the lowest found" : "above the lowest"}</dt>
          <dd>{toOptimum.value ? atMost(best.certificate.toOptimum) : known?.toOptimum == null ? "not known" : number(known.toOptimum, 3)}</dd>
          <dt>norm of the gradient</dt>
          <dd>{number((toOptimum.value ? best.certificate.gradientNorm : current.value?.gradientNorm) ?? NaN, 3)}</dd>
        </dl>
      )}
    </section>
  );
}

function atMost(value: number | null): string {
  return value === null ? "not known" : value === 0 ? "0" : `at most ${number(value, 2)}`;
}
