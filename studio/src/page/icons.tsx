// The few signs of the page.
const path = (d: string) => () => (
  <svg viewBox="0 0 16 16" aria-hidden="true">
    <path d={d} />
  </svg>
);

export const Play = path("M4 2.5v11l9.5-5.5z");
export const Pause = path("M3.5 2.5h3v11h-3zM9.5 2.5h3v11h-3z");
export const Step = path("M3 2.5v11L10.5 8zM11 2.5h2v11h-2z");
export const Ten = path("M1.5 3v10L7 8zM7 3v10l5.5-5zM12.5 2.5h2v11h-2z");
export const Back = path("M13 2.5v11L5.5 8zM3 2.5h2v11H3z");
export const Reset = path("M8 3a5 5 0 1 0 4.8 6.4l-1.5-.45A3.45 3.45 0 1 1 8 4.55V7l4-3.2L8 .6z");
export const Sun = path("M8 4.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7zM7.3 0h1.4v3H7.3zM7.3 13h1.4v3H7.3zM0 7.3h3v1.4H0zM13 7.3h3v1.4h-3zM2.8 1.8l2.1 2.1-1 1-2.1-2.1zM12.1 11.1l2.1 2.1-1 1-2.1-2.1zM13.2 1.8l1 1-2.1 2.1-1-1zM3.9 11.1l1 1-2.1 2.1-1-1z");
export const Moon = path("M6.2 1.4A6.8 6.8 0 1 0 14.6 9.8 5.6 5.6 0 0 1 6.2 1.4z");

/** The house's sign: a line among points. */
export function Brand() {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true">
      <path d="M4 26 28 6" stroke="var(--accent)" stroke-width="3.5" stroke-linecap="round" />
      <circle cx="9" cy="13" r="3" fill="var(--data)" />
      <circle cx="22" cy="21" r="3" fill="var(--data)" />
      <circle cx="20" cy="6" r="2.2" fill="var(--data)" />
    </svg>
  );
}

/** A diamond is the optimum in every picture; with a tick in it, it is proved. */
export function Seal({ proved }: { readonly proved: boolean }) {
  return (
    <svg viewBox="0 0 40 40" aria-hidden="true">
      <path
        d="M20 3 37 20 20 37 3 20z"
        fill={proved ? "var(--accent)" : "none"}
        stroke={proved ? "var(--accent)" : "var(--edge)"}
        stroke-width="2"
        stroke-dasharray={proved ? undefined : "4 3"}
      />
      {proved && <path d="m13 20.5 5 5 9-10" fill="none" stroke="var(--on-accent)" stroke-width="3" stroke-linecap="round" stroke-linejoin="round" />}
    </svg>
  );
}

export function Dash({ colour, dash, width = 2.5 }: { readonly colour: string; readonly dash: readonly number[]; readonly width?: number }) {
  return (
    <svg viewBox="0 0 40 10" preserveAspectRatio="xMinYMid meet" aria-hidden="true">
      <path d="M1 5h38" stroke={colour} stroke-width={width} stroke-dasharray={dash.length > 0 ? dash.join(" ") : undefined} fill="none" />
    </svg>
  );
}
