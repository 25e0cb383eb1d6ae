import { effect } from "@preact/signals";
import { render } from "preact";
import { Console } from "./console.tsx";
import { connect, disconnect } from "./live.ts";
import { followAddress } from "./router.ts";
import { tokenIn } from "./routes.ts";
import { logIn, token } from "./session.ts";
import { streamsAt } from "./streams-address.ts";
import { followTheme } from "./theme.ts";
import { startTicking } from "./ticking.ts";

// A token in the link is taken out of the address, and so out of the history, before anything else is done.
const given = tokenIn(location.hash);
if (given !== null) {
  history.replaceState(null, "", `${location.pathname}${given.next}`);
  logIn(given.token);
}
const streams = document.querySelector<HTMLMetaElement>('meta[name="plimsoll-streams"]')?.content ?? "";

followTheme();
startTicking();
followAddress(() => document.querySelector<HTMLElement>("main")?.focus());
effect(() => (token.value === null ? disconnect() : connect(streamsAt(streams))));
const place = document.querySelector("#app");
if (place !== null) render(<Console />, place);
