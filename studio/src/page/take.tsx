export function Take() { return <p>Take</p>; }
