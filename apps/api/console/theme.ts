import { effect, signal } from "@preact/signals";

export type Theme = "dark" | "light";
const key = "plimsoll.theme";
const system = globalThis.matchMedia("(prefers-color-scheme: dark)");

const chosen = signal<Theme | null>(readChoice());
const preferred = signal<Theme>(system.matches ? "dark" : "light");

function readChoice(): Theme | null {
  const text = localStorage.getItem(key);
  return text === "dark" || text === "light" ? text : null;
}

/** The one that is shown: what was chosen here, else what the system prefers. */
export const theme = signal<Theme>(chosen.value ?? preferred.value);

export function toggleTheme(): void {
  chosen.value = theme.value === "dark" ? "light" : "dark";
  localStorage.setItem(key, chosen.value);
}

/** Begins to follow the choice and the system. */
export function followTheme(): void {
  system.addEventListener("change", ({ matches }) => (preferred.value = matches ? "dark" : "light"));
  effect(() => {
    theme.value = chosen.value ?? preferred.value;
    document.documentElement.dataset["theme"] = theme.value;
  });
}
