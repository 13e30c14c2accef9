// Small things that several parts of the table's view show.
import type { ComponentChildren } from "preact";
import { sentence } from "../page/format";

export function probability(value: number | null): string {
  return value === null ? "" : value < 1e-4 ? "< 0.0001" : value.toFixed(4);
}

/** An answer that is under way, or that there is not. */
export function Waiting({ busy, problem, children }: { readonly busy: boolean; readonly problem: { readonly message: string } | null; readonly children?: ComponentChildren }) {
  return (
    <div class="t-waiting" aria-busy={busy}>
      {problem && (
        <p class="says bad" role="alert">
          {sentence(problem.message)}
        </p>
      )}
      {busy && <p class="quiet small">working …</p>}
      {children}
    </div>
  );
}
