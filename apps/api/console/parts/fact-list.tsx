import { useState } from "preact/hooks";
import { type FactLike, hasReceipt, sentenceOf, toneOf } from "../fact-texts.ts";
import { clock, instant } from "../format.ts";
import { ReceiptDialog } from "./receipt.tsx";

/** Facts of an account, the newest first, with their receipts. */
export function FactList(props: {
  readonly facts: readonly FactLike[];
  readonly account: string | null;
  readonly none: string;
}) {
  const [shown, show] = useState<FactLike | null>(null);
  if (props.facts.length === 0) return <p class="nothing">{props.none}</p>;
  const whose = (fact: FactLike): string | null =>
    props.account ?? (typeof fact["account"] === "string" ? fact["account"] : null);
  const account = shown === null ? null : whose(shown);
  return (
    <>
      <ol class="facts">
        {props.facts.map((fact) => (
          <li key={fact.seq} class={toneOf(fact)}>
            <time dateTime={new Date(fact.t).toISOString()} title={`${instant(fact.t)} UTC`}>
              {clock(fact.t)}
            </time>
            <span>{sentenceOf(fact)}</span>
            {hasReceipt(fact) && whose(fact) !== null ? (
              <button class="small" onClick={() => show(fact)} aria-label={`Why? ${sentenceOf(fact)}`}>
                Why?
              </button>
            ) : null}
          </li>
        ))}
      </ol>
      {shown === null || account === null ? null : (
        <ReceiptDialog account={account} seq={shown.seq} close={() => show(null)} />
      )}
    </>
  );
}
