// Light or dark: the system's theme, unless the user chose one in this tab.

export type Theme = "light" | "dark";

const CHOSEN = "sluice.theme";

export function currentTheme(): Theme {
  const chosen = sessionStorage.getItem(CHOSEN);
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function toggleTheme(): Theme {
  const theme = currentTheme() === "dark" ? "light" : "dark";
  sessionStorage.setItem(CHOSEN, theme);
  document.documentElement.dataset["theme"] = theme;
  return theme;
}

document.documentElement.dataset["theme"] = currentTheme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  document.documentElement.dataset["theme"] = currentTheme();
});
