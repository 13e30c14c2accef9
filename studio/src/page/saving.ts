// When what is on the page is remembered: soon after it has changed.
let saveTimer: number | undefined;
let saver: () => void = () => {};
export function onSave(save: () => void): void {
  saver = save;
}
export function saveSoon(): void {
  window.clearTimeout(saveTimer);
  saveTimer = window.setTimeout(() => saver(), 400);
}
