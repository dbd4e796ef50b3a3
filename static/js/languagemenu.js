// The menu of languages offers those that the chosen model knows.

export function watchModels() {
  /** @type {NodeListOf<HTMLSelectElement>} */
  const menus = document.querySelectorAll("select[name=model]");
  for (const models of menus) {
    /** @type {HTMLSelectElement | null | undefined} */
    const languages = models.form?.querySelector("select[name=language]");
    if (!languages) continue;
    const narrow = () => offer(languages, models.value || "default");
    models.addEventListener("change", narrow);
    narrow();
  }
}

/**
 * @param {HTMLSelectElement} languages
 * @param {string} model
 */
function offer(languages, model) {
  for (const option of languages.options) {
    const unknown = (option.dataset.unknownTo ?? "").split(" ").includes(model);
    option.hidden = option.disabled = unknown;
    if (unknown && option.selected) languages.value = "";
  }
}
