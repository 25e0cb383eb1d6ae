import { useEffect, useErrorBoundary } from "preact/hooks";
import { Login } from "./login.tsx";
import { Announcer } from "./parts/announcer.tsx";
import { Shortcuts } from "./shortcuts.tsx";
import type { JSX } from "preact";
import { hrefOf, type View, views } from "./routes.ts";
import { route } from "./router.ts";
import { mayRead, token } from "./session.ts";
import { Notices } from "./notices.tsx";
import { Rail, TabsBar, Top } from "./top.tsx";
import { Account } from "./views/account.tsx";
import { Alerts } from "./views/alerts.tsx";
import { Audit } from "./views/audit.tsx";
import { Breakers } from "./views/breakers.tsx";
import { Commands } from "./views/commands.tsx";
import { Instrument } from "./views/instrument.tsx";
import { Liquidations } from "./views/liquidations.tsx";
import { Overview } from "./views/overview.tsx";
import { Rules } from "./views/rules.tsx";
import { Trader } from "./views/trader.tsx";

/** What a view shows, by its address. */
const pages: Readonly<Record<View, () => JSX.Element>> = {
  overview: Overview,
  account: Account,
  instrument: Instrument,
  liquidations: Liquidations,
  breakers: Breakers,
  commands: Commands,
  rules: Rules,
  audit: Audit,
  alerts: Alerts,
  trader: Trader,
};

export function Console() {
  if (token.value === null) return <Login />;
  const { view } = route.value;
  const shown = mayRead.value ? view : "trader";
  const Page = pages[shown];
  useEffect(() => {
    document.title = `${views[shown].title} · Plimsoll`;
  }, [shown]);
  return (
    <>
      <a class="skip" href={hrefOf(shown, route.value.id, route.value.part)} onClick={skip}>
        Skip to the numbers
      </a>
      <div class="shell">
        <Top />
        <Rail at={shown} />
        <Notices />
        <main tabIndex={-1} aria-label={views[shown].title}>
          <Guarded key={`${shown}/${route.value.id ?? ""}/${route.value.part ?? ""}`} page={Page} />
        </main>
        <TabsBar at={shown} />
      </div>
      <Shortcuts />
      <Announcer />
    </>
  );
}

/** A view that fails takes no other with it: what must be reached in a crash stays in reach. */
function Guarded({ page: Page }: { readonly page: () => JSX.Element }) {
  const [error, again] = useErrorBoundary();
  if (error === undefined) return <Page />;
  return (
    <div class="refusal" role="alert">
      <strong>This view failed. The others, and halting, work as before.</strong>
      <code>{error instanceof Error ? error.message : String(error)}</code>
      <button onClick={again}>Show it again</button>
    </div>
  );
}

function skip(event: MouseEvent): void {
  event.preventDefault();
  document.querySelector<HTMLElement>("main")?.focus();
}
