/** How serious something is; the word that stands beside says it too. */
export type Tone = "plain" | "good" | "watch" | "warn" | "bad" | "accent";
