// The menu of languages offers those that the chosen model knows.

export function watchModels() {
  for (const models of document.querySelectorAll("select[name=model]")) {
    const languages = models.form?.querySelector("select[name=language]");
    if (!languages) continue;
    const narrow = () => offer(languages, models.value || "default");
    models.addEventListener("change", narrow);
    narrow();
  }
}

function offer(languages, model) {
  for (const option of languages.options) {
    const unknown = (option.dataset.unknownTo ?? "").split(" ").includes(model);
    option.hidden = option.disabled = unknown;
    if (unknown && option.selected) languages.value = "";
  }
}
