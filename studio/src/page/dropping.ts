// A file that is dropped anywhere on the page.
import { dialog } from "./dialogs";
import { takeFile } from "./own_data";
import { locked, say } from "./state";

const root = document.documentElement;

function holdsFile(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes("Files") === true;
}

document.addEventListener("dragover", (event) => {
  if (!holdsFile(event)) return;
  event.preventDefault();
  root.classList.toggle("dropping", !locked("points"));
});
document.addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) root.classList.remove("dropping");
});
document.addEventListener("drop", (event) => {
  root.classList.remove("dropping");
  const file = event.dataTransfer?.files[0];
  if (!file) return;
  event.preventDefault();
  if (locked("points")) {
    say("The points are set for you, and cannot be changed here.");
    return;
  }
  void takeFile(file).then(() => (dialog.value = "csv"));
});
