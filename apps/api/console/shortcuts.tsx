import { useEffect, useState } from "preact/hooks";
import { Dialog } from "./parts/dialog.tsx";
import { goTo } from "./router.ts";
import { hrefOf, type View, views } from "./routes.ts";
import { mayRead } from "./session.ts";
import { toggleTheme } from "./theme.ts";

const others = [
  ["/", "Find an account"],
  ["d", "Dark or light colours"],
  ["?", "These keys"],
  ["Esc", "Close a dialogue"],
] as const;

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);

/** `g` and a letter goes to a view. Nothing happens by a key that could not be undone: halts are clicked and typed. */
export function Shortcuts() {
  const [shown, show] = useState(false);
  useEffect(() => {
    let goes = false;
    const press = (event: KeyboardEvent): void => {
      if (typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
      const view = (Object.keys(views) as View[]).find((one) => views[one].key === event.key);
      if (goes && view !== undefined && mayRead.value) goTo(hrefOf(view));
      else if (event.key === "?") show(true);
      else if (event.key === "d") toggleTheme();
      else if (event.key === "/") {
        event.preventDefault();
        document.querySelector<HTMLElement>(".account-search")?.focus();
      }
      goes = event.key === "g";
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
  if (!shown) return null;
  return (
    <Dialog title="Keys" close={() => show(false)}>
      <dl class="keys stack">
        {(Object.keys(views) as View[]).map((view) => (
          <div class="row" key={view}>
            <dt>
              <kbd>g {views[view].key}</kbd>
            </dt>
            <dd>{views[view].title}</dd>
          </div>
        ))}
        {others.map(([key, text]) => (
          <div class="row" key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
