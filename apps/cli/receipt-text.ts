import type { Fact } from "#libs/contracts/log.ts";
import type { AvoidedBy, Receipt, ReceiptPrice } from "#libs/domain/receipts/types.ts";
import type { Style } from "./output.ts";
import { columns } from "./replay-text.ts";

const amount = (value: string | null): string => value ?? "none";

function subject({ account, mode, instrument, asset, reference }: Receipt["subject"]): string {
  const parts = [
    account === null ? undefined : `account ${account}`,
    mode === null ? undefined : `${mode} pool`,
    instrument === null ? undefined : `instrument ${instrument}`,
    asset === null ? undefined : `asset ${asset}`,
    reference === null ? undefined : `reference ${reference}`,
  ];
  return parts.filter((part) => part !== undefined).join(", ");
}

const age = (ageMs: number | null): string => (ageMs === null ? "age unknown" : `${ageMs} ms old`);

function priceRow({ id, price, quality, ageMs, sources }: ReceiptPrice): string[] {
  const from = sources.map((one) => `${one.source} (${age(one.ageMs)})`).join(", ");
  return [id, amount(price), quality, age(ageMs), from === "" ? "" : `from ${from}`];
}

function avoidedLines(avoided: AvoidedBy | null): string[] {
  if (avoided === null) return ["nothing that the account could have done"];
  const { deposit, price, size } = avoided;
  return [
    ...(deposit === undefined ? [] : [`a deposit of ${deposit.amount} ${deposit.asset}`]),
    ...(price === undefined ? [] : [`a price of ${price.id} at ${price.price}`]),
    ...(size === undefined ? [] : [`a size of ${size.qty} ${size.instrument}`]),
  ];
}

function section(title: string, lines: readonly string[], paint: Style): string[] {
  return lines.length === 0 ? [] : ["", paint.strong(title), ...lines.map((line) => `  ${line}`)];
}

/** A receipt (`seq`: of a fact; null: of an answer) as a person reads it: what, by which rule, from which prices, computed how, and what would have avoided it. */
export function receiptText(fact: Fact | undefined, seq: number | null, receipt: Receipt, paint: Style): string[] {
  const what = fact === undefined ? "" : ` ${fact.fact}`;
  const when = new Date(receipt.t).toISOString();
  const lines = receipt.computation.map(({ what: of, how, value }) => [of, `= ${amount(value)}`, how ?? ""]);
  return [
    paint.strong(seq === null ? receipt.kind : `${receipt.kind}: fact ${seq}${what}`),
    ...columns(
      [
        ["who", subject(receipt.subject)],
        ["rule", `${receipt.rule}, rule set version ${receipt.ruleVersion}`],
        ["when", `t = ${receipt.t} (${when})`],
      ],
      "  ",
    ),
    ...section("prices", columns(receipt.prices.map(priceRow)), paint),
    ...section("inputs", columns(receipt.inputs.map(({ name, value }) => [name, amount(value)])), paint),
    ...section("computation", columns(lines), paint),
    ...section("each of these alone would have avoided it", avoidedLines(receipt.avoidedBy), paint),
    ...section(
      "can be computed again from the publication with SHA-256",
      receipt.publication === null ? [] : [receipt.publication],
      paint,
    ),
  ];
}
