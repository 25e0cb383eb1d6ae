import { signal } from "@preact/signals";

const said = signal("");

/** Tells those who listen to the screen, when they have a moment. */
export function announce(text: string): void {
  said.value = text;
}

export function Announcer() {
  return (
    <div class="unseen" role="status" aria-live="polite">
      {said.value}
    </div>
  );
}
