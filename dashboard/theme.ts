/** Light or dark, as the system has it, or as it was chosen here. */
export type Theme = "system" | "light" | "dark";

const KEY = "sluice-theme";

/** What is chosen, put onto the page. */
export function applyTheme(theme: Theme = chosenTheme()): void {
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
  document.dispatchEvent(new Event(THEME_CHANGED));
}

export function chooseTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
  applyTheme(theme);
}

export function chosenTheme(): Theme {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

/** For what is drawn and not styled. */
export const THEME_CHANGED = "sluice-theme-changed";
