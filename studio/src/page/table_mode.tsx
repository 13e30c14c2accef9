export function TableMode() { return <p>Table</p>; }
