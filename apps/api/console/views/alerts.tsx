import { useState } from "preact/hooks";
import type { Alert } from "#libs/contracts/stream/alerts.ts";
import { asAlerts } from "../alert-groups.ts";
import { duration, instant, whole, words } from "../format.ts";
import { useChannel } from "../live.ts";
import { Card, Figure, Figures, Nothing, Tag } from "../parts/basics.tsx";
import { Awaiting, Freshness } from "../parts/freshness.tsx";
import { Problem } from "../parts/problem.tsx";
import { type ApiProblem, asProblem, freshId, command } from "../rest.ts";
import { mayCommand } from "../session.ts";
import { now } from "../ticking.ts";

const tones = { yellow: "watch", orange: "warn", red: "bad" } as const;
const levels = ["red", "orange", "yellow"] as const;

/** What holds and what nobody has seen yet, the worst first. */
export function Alerts() {
  const seen = useChannel("alerts").value;
  return (
    <>
      <div class="view-head">
        <h1>Alerts</h1>
        <span class="grow" />
        <Freshness of={seen} />
      </div>
      {seen.data === null ? (
        <Awaiting of={seen} what="the alerts" />
      ) : (
        <Shown alerts={Object.values(seen.data.alerts)} />
      )}
    </>
  );
}

function Shown({ alerts }: { readonly alerts: readonly Alert[] }) {
  const open = alerts.filter(({ until, ack }) => until === null && ack === null);
  const done = alerts.filter((alert) => !open.includes(alert));
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const acknowledge = (alert: Alert): void => {
    setProblem(null);
    command(`/v1/alerts/${encodeURIComponent(alert.id)}/acknowledge`, {}, freshId()).catch((thrown: unknown) =>
      setProblem(asProblem(thrown)),
    );
  };
  return (
    <>
      <Card title="Now">
        <Figures class="big">
          {levels.map((level) => {
            const count = alerts.filter((one) => one.level === level && one.until === null).length;
            return (
              <Figure
                key={level}
                name={words(level)}
                value={whole(count)}
                tone={count === 0 ? "plain" : tones[level]}
              />
            );
          })}
          <Figure name="Seen by nobody" value={whole(alerts.filter(({ ack }) => ack === null).length)} />
        </Figures>
      </Card>
      <Problem of={problem} />
      <Groups title="Open" alerts={open} none="Nothing is wrong that an alert watches." acknowledge={acknowledge} />
      {done.length === 0 ? null : (
        <Groups title="Over, or seen by somebody" alerts={done} none="" acknowledge={acknowledge} />
      )}
    </>
  );
}

const groupsAtOnce = 12;

function Groups(props: {
  readonly title: string;
  readonly alerts: readonly Alert[];
  readonly none: string;
  readonly acknowledge: (alert: Alert) => void;
}) {
  const [shown, setShown] = useState(groupsAtOnce);
  const groups = asAlerts(props.alerts);
  return (
    <Card title={props.title} aside={whole(props.alerts.length)}>
      {props.alerts.length === 0 ? <Nothing>{props.none}</Nothing> : null}
      {groups.slice(0, shown).map(([group, members]) => (
        <section key={group} class="alert-group" aria-label={group}>
          <h3>{group}</h3>
          <ul class="alerts">
            {members.map((alert) => (
              <AlertRow key={alert.id} alert={alert} acknowledge={() => props.acknowledge(alert)} />
            ))}
          </ul>
        </section>
      ))}
      {groups.length > shown ? (
        <button class="small" onClick={() => setShown(groups.length)}>
          {groups.length - shown} more groups
        </button>
      ) : null}
    </Card>
  );
}

function AlertRow({ alert, acknowledge }: { readonly alert: Alert; readonly acknowledge: () => void }) {
  // Alerts are of the machines' clock, not of the market's.
  void now.value;
  const { level, title, code, since, until, count, ack } = alert;
  return (
    <li class={tones[level]}>
      <Tag tone={tones[level]}>{level}</Tag>
      <div>
        <strong>{title}</strong>
        <p class="faint">
          <code>{code}</code> · since {instant(since)} ({duration(Math.max(0, (until ?? Date.now()) - since))}) ·{" "}
          {whole(count)}×{until === null ? "" : ` · over since ${instant(until)}`}
        </p>
      </div>
      {ack === null ? (
        mayCommand.value ? (
          <button class="small" onClick={acknowledge} aria-label={`Acknowledge: ${title}`}>
            Acknowledge
          </button>
        ) : null
      ) : (
        <span class="faint">
          seen by {ack.by}, {instant(ack.at)}
        </span>
      )}
    </li>
  );
}
