// <button data-open-dialog="id"> opens that <dialog>; [data-close-dialog] and a click beside it close it.
function isBeside(dialog, { clientX, clientY }) {
  const box = dialog.getBoundingClientRect();
  return clientX < box.left || clientX > box.right || clientY < box.top || clientY > box.bottom;
}

export function watchDialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open-dialog]");
    const closer = event.target.closest("[data-close-dialog]");
    if (opener) document.getElementById(opener.dataset.openDialog).showModal();
    else if (closer) closer.closest("dialog").close();
    else if (event.target.matches("dialog") && isBeside(event.target, event)) event.target.close();
  });
}
