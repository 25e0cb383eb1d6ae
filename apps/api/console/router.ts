import { signal } from "@preact/signals";
import { type Route, readRoute } from "./routes.ts";

export const route = signal<Route>(readRoute(""));

/** Follows the address; calls `moved` after each change but the first, for the focus to go along. */
export function followAddress(moved: () => void): void {
  const read = (): void => {
    route.value = readRoute(location.hash);
  };
  read();
  addEventListener("hashchange", () => {
    read();
    moved();
  });
}

export const goTo = (hash: string): void => {
  location.hash = hash;
};
