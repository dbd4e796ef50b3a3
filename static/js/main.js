// What every page has: menus, the confirming dialog, copy buttons, toasts, the theme switch.
import { watchReturns } from "./back.js";
import { watchCopyButtons } from "./clipboard.js";
import { watchConfirmations } from "./confirm.js";
import { watchForms } from "./csrf.js";
import { watchDialogs } from "./dialog.js";
import { watchFolderPickers } from "./folderpicker.js";
import { watchInPlace } from "./inplace.js";
import { watchModels } from "./languagemenu.js";
import { localise } from "./localtime.js";
import { watchMenus } from "./menu.js";
import { watchThemeButton } from "./themeswitch.js";
import { watchToasts } from "./toast.js";

localise(document);
watchForms();
watchDialogs();
watchReturns();
watchMenus();
watchModels();
watchConfirmations();
watchCopyButtons();
watchFolderPickers();
watchInPlace();
watchThemeButton();
watchToasts();
