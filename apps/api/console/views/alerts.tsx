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
        <Shown alerts={Object.values(seen.data.alerts)} t={seen.t ?? 0} />
      )}
    </>
  );
}

function Shown({ alerts, t }: { readonly alerts: readonly Alert[]; readonly t: number }) {
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const acknowledge = (alert: Alert): void => {
    setProblem(null);
    command(`/v1/alerts/${encodeURIComponent(alert.id)}/ack`, {}, freshId()).catch((thrown: unknown) =>
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
      {alerts.length === 0 ? <Nothing>Nothing is wrong that an alert watches.</Nothing> : null}
      {asAlerts(alerts).map(([group, members]) => (
        <Card key={group} title={group} class="alert-group" aside={`${members.length}`}>
          <ul class="alerts">
            {members.map((alert) => (
              <AlertRow key={alert.id} alert={alert} t={t} acknowledge={() => acknowledge(alert)} />
            ))}
          </ul>
        </Card>
      ))}
    </>
  );
}

function AlertRow({
  alert,
  t,
  acknowledge,
}: {
  readonly alert: Alert;
  readonly t: number;
  readonly acknowledge: () => void;
}) {
  const { level, title, code, since, until, count, ack } = alert;
  return (
    <li class={tones[level]}>
      <Tag tone={tones[level]}>{level}</Tag>
      <div>
        <strong>{title}</strong>
        <p class="faint">
          <code>{code}</code> · since {instant(since)} ({duration(Math.max(0, (until ?? t) - since))}) · {whole(count)}×
          {until === null ? "" : ` · over since ${instant(until)}`}
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
