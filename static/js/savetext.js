// <button data-save="#id" data-save-as="name.txt"> saves the text of that element as a file.
import { closest, data, find } from "./query.js";

document.addEventListener("click", (event) => {
  const button = closest(event, "[data-save]");
  if (!button) return;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([find(document, data(button, "save"), Element).textContent]));
  link.download = data(button, "saveAs");
  link.click();
  URL.revokeObjectURL(link.href);
});
