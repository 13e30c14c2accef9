export function OwnData(_: { close: () => void }) { return <p>csv</p>; }
