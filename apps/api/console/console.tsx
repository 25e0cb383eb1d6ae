import { useEffect } from "preact/hooks";
import { Login } from "./login.tsx";
import { Announcer } from "./parts/announcer.tsx";
import { Shortcuts } from "./shortcuts.tsx";
import { hrefOf, type View, views } from "./routes.ts";
import { route } from "./router.ts";
import { mayRead, token } from "./session.ts";
import { Notices } from "./notices.tsx";
import { Rail, TabsBar, Top } from "./top.tsx";
import { Overview } from "./views/overview.tsx";

/** What a view shows, by its address. */
const pages: Readonly<Partial<Record<View, () => preact.JSX.Element>>> = {
  overview: Overview,
};

export function Console() {
  if (token.value === null) return <Login />;
  const { view } = route.value;
  const shown = mayRead.value ? view : "trader";
  const Page = pages[shown] ?? Overview;
  useEffect(() => {
    document.title = `${views[shown].title} · Plimsoll`;
  }, [shown]);
  return (
    <>
      <a class="skip" href={hrefOf(shown, route.value.id)} onClick={skip}>
        Skip to the numbers
      </a>
      <div class="shell">
        <Top />
        <Rail at={shown} />
        <Notices />
        <main tabIndex={-1} aria-label={views[shown].title}>
          <Page key={`${shown}/${route.value.id ?? ""}`} />
        </main>
        <TabsBar at={shown} />
      </div>
      <Shortcuts />
      <Announcer />
    </>
  );
}

function skip(event: MouseEvent): void {
  event.preventDefault();
  document.querySelector<HTMLElement>("main")?.focus();
}
