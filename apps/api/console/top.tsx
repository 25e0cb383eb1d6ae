import { useEffect, useRef } from "preact/hooks";
import { LoadLineMark } from "./parts/mark.tsx";
import { clock, instant, words } from "./format.ts";
import { stateTone, stateWords, strictest } from "./exchange-state.ts";
import { connection, useChannel } from "./live.ts";
import { hrefOf, type View, views } from "./routes.ts";
import { claims, logOut, mayCommand, mayRead } from "./session.ts";
import { theme, toggleTheme } from "./theme.ts";
import { AccountSearch } from "./account-search.tsx";

/** Of traders there is one page; of those who may read everything all of them. */
const shownViews = (): View[] => (mayRead.value ? (Object.keys(views) as View[]) : ["trader"]);

export function Top() {
  return (
    <header class="top">
      <a class="brand" href={hrefOf("overview")} aria-label="Plimsoll, overview">
        <LoadLineMark />
        Plimsoll
      </a>
      <ExchangeStatePlate />
      <Pulse />
      <span class="grow" />
      {mayRead.value ? (
        <span class="wide">
          <AccountSearch />
        </span>
      ) : null}
      <button
        class="small"
        onClick={toggleTheme}
        aria-label={`Use the ${theme.value === "dark" ? "light" : "dark"} colours`}
      >
        {theme.value === "dark" ? "☀" : "☾"}
      </button>
      <button class="small" onClick={() => logOut()}>
        Log out
      </button>
      {mayCommand.value ? (
        <a class="halt-link" href={hrefOf("breakers")}>
          HALT
        </a>
      ) : null}
    </header>
  );
}

/** What holds for everybody, always in sight. */
function ExchangeStatePlate() {
  const { data } = useChannel("halts").value;
  if (data === null) return <span class="state-plate watch">state unknown</span>;
  const halts = Object.values(data.halts);
  const state = strictest(halts.filter(({ scope }) => scope === "global"));
  const halted = new Set(halts.flatMap(({ scope, id }) => (scope === "instrument" ? [id] : []))).size;
  return (
    <span
      class={`state-plate ${stateTone[state]}`}
      role="status"
      aria-label={`Exchange: ${stateWords[state]}`}
      data-state={state}
    >
      {stateWords[state]}
      {halted === 0 ? null : (
        <small>
          +{halted} instrument{halted === 1 ? "" : "s"}
        </small>
      )}
    </span>
  );
}

const pulses = { live: "", connecting: "warn", lost: "bad" } as const;

/** Whether it is live, and what time it is in the market. */
function Pulse() {
  const { state } = connection.value;
  const { t } = useChannel("halts").value;
  return (
    <span class={`pulse ${pulses[state]}`} data-connection={state}>
      {words(state)}
      {t === null ? null : (
        <time class="market-clock" dateTime={new Date(t).toISOString()} title={`${instant(t)} UTC, the market's clock`}>
          {clock(t)} UTC
        </time>
      )}
    </span>
  );
}

/** Alerts that hold and that nobody has seen. */
function UnseenAlerts() {
  const { data } = useChannel("alerts").value;
  const count = Object.values(data?.alerts ?? {}).filter(({ ack, until }) => ack === null && until === null).length;
  return count === 0 ? null : (
    <span class="count">
      {count}
      <span class="unseen"> seen by nobody</span>
    </span>
  );
}

export function Rail({ at }: { readonly at: View }) {
  const who = claims.value;
  return (
    <nav class="rail" aria-label="Views">
      {shownViews().map((view) => (
        <a key={view} href={hrefOf(view)} aria-current={view === at ? "page" : undefined}>
          {views[view].title}
          {view === "alerts" ? <UnseenAlerts /> : null}
          <kbd aria-hidden="true">g {views[view].key}</kbd>
        </a>
      ))}
      <div class="foot">
        <span>
          <strong>{who?.sub}</strong>
          <br />
          {who?.roles.join(", ")}
        </span>
        <span>
          <kbd>?</kbd> all keys
        </span>
        <a href="/docs">API</a>
      </div>
    </nav>
  );
}

export function TabsBar({ at }: { readonly at: View }) {
  const bar = useRef<HTMLElement>(null);
  useEffect(() => {
    bar.current?.querySelector("[aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
  }, [at]);
  return (
    <nav ref={bar} class="tabs-bar" aria-label="Views, for small screens">
      {shownViews().map((view) => (
        <a key={view} href={hrefOf(view)} aria-current={view === at ? "page" : undefined}>
          {views[view].title}
        </a>
      ))}
    </nav>
  );
}
