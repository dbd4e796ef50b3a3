// Files come by the picker, or dropped anywhere on the page.
export function watchDrops(card, onFiles) {
  const zone = card.querySelector("[data-drop]");
  const picker = zone.querySelector("input[type=file]");
  const veil = document.querySelector("[data-drop-veil]");
  let depth = 0;

  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const show = (over) => {
    veil.hidden = !over;
    zone.classList.toggle("is-over", over);
  };

  picker.addEventListener("change", () => {
    onFiles([...picker.files]);
    picker.value = "";
  });
  document.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    depth += 1;
    show(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!carriesFiles(event)) return;
    depth -= 1;
    if (depth <= 0) show(false);
  });
  document.addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    show(false);
    onFiles([...event.dataTransfer.files]);
  });
}
