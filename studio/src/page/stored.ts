// What the browser remembers between visits. It may refuse (private windows, pages inside frames): then nothing is remembered.

const PREFIX = "gradline-studio:";

export const stored = {
  read(name: string): string | null {
    try {
      return window.localStorage.getItem(PREFIX + name);
    } catch {
      return null;
    }
  },
  write(name: string, value: string): void {
    try {
      window.localStorage.setItem(PREFIX + name, value);
    } catch {
      // Full or refused: the link still holds everything.
    }
  },
};
