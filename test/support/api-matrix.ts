import { table } from "./table.ts";

/**
 * Who gets what from each route, written by hand: the status of who may not, `ok` for whatever else. `own`: a trader whose owner's account
 * it is, `other`: a trader whose it is not; on routes without an account both are the same trader.
 */
export const matrix = table(`
  route            | nobody | own | other | viewer | operator | officer | admin
  time             | ok     | ok  | ok    | ok     | ok       | ok      | ok
  me               | 401    | ok  | ok    | ok     | ok       | ok      | ok
  instruments      | 401    | ok  | ok    | ok     | ok       | ok      | ok
  accounts         | 401    | ok  | ok    | ok     | ok       | ok      | 403
  account          | 401    | ok  | 403   | ok     | ok       | ok      | 403
  account-fills    | 401    | ok  | 403   | ok     | ok       | ok      | 403
  account-history  | 401    | ok  | 403   | ok     | ok       | ok      | 403
  account-ledger   | 401    | ok  | 403   | ok     | ok       | ok      | 403
  account-margin   | 401    | ok  | 403   | ok     | ok       | ok      | 403
  account-receipt  | 401    | ok  | 403   | ok     | ok       | ok      | 403
  account-decision | 401    | ok  | 403   | ok     | ok       | ok      | 403
  what-if          | 401    | ok  | 403   | ok     | ok       | ok      | 403
  exchange         | 401    | 403 | 403   | ok     | ok       | ok      | 403
  shards           | 401    | 403 | 403   | ok     | ok       | ok      | 403
  halts            | 401    | 403 | 403   | ok     | ok       | ok      | 403
  sagas            | 401    | 403 | 403   | ok     | ok       | ok      | 403
  saga             | 401    | 403 | 403   | ok     | ok       | ok      | 403
  facts            | 401    | 403 | 403   | ok     | ok       | ok      | 403
  rules            | 401    | 403 | 403   | ok     | ok       | ok      | 403
  rule-diff        | 401    | 403 | 403   | ok     | ok       | ok      | 403
  rule-version     | 401    | 403 | 403   | ok     | ok       | ok      | 403
  entity-proposals | 401    | 403 | 403   | ok     | ok       | ok      | 403
  commands         | 401    | 403 | 403   | ok     | ok       | ok      | 403
  command          | 401    | 403 | 403   | ok     | ok       | ok      | 403
  command-diff     | 401    | 403 | 403   | ok     | ok       | ok      | 403
  alerts           | 401    | 403 | 403   | ok     | ok       | ok      | 403
  alert-acknowledge | 401   | 403 | 403   | 403    | ok       | ok      | 403
  audit            | 401    | 403 | 403   | ok     | ok       | ok      | 403
  audit-verify     | 401    | 403 | 403   | ok     | ok       | ok      | 403
  reconciliations  | 401    | 403 | 403   | ok     | ok       | ok      | 403
  dry-run          | 401    | 403 | 403   | 403    | ok       | ok      | 403
  approve          | 401    | 403 | 403   | 403    | 403      | ok      | 403
  reject           | 401    | 403 | 403   | 403    | ok       | ok      | 403
  command-halt     | 401    | 403 | 403   | 403    | ok       | ok      | 403
  command-emergency | 401   | 403 | 403   | 403    | ok       | ok      | 403
  command-limit    | 401    | 403 | 403   | 403    | ok       | ok      | 403
  command-rules    | 401    | 403 | 403   | 403    | ok       | ok      | 403
  command-rollback | 401    | 403 | 403   | 403    | ok       | ok      | 403
  command-entity   | 401    | 403 | 403   | 403    | ok       | ok      | 403
  command-fund     | 401    | 403 | 403   | 403    | ok       | ok      | 403
  command-adjust   | 401    | 403 | 403   | 403    | ok       | ok      | 403
  command-transfer | 401    | 403 | 403   | 403    | ok       | ok      | 403
  command-settle   | 401    | 403 | 403   | 403    | ok       | ok      | 403
  command-deleverage | 401  | 403 | 403   | 403    | ok       | ok      | 403
  command-saga     | 401    | 403 | 403   | 403    | ok       | ok      | 403
  keys             | 401    | 403 | 403   | 403    | 403      | 403     | ok
  key-create       | 401    | 403 | 403   | 403    | 403      | 403     | ok
  key-revoke       | 401    | 403 | 403   | 403    | 403      | 403     | ok
`);

/** The tokens of the columns; a name of its own for each route keeps within the rate of one principal. */
export const people: Readonly<Record<string, (route: string) => string | null>> = {
  nobody: () => null,
  own: (route) => `trader:own-${route}:alice`,
  other: (route) => `trader:other-${route}:mallory`,
  viewer: (route) => `viewer:v-${route}`,
  operator: (route) => `operator:o-${route}`,
  officer: (route) => `officer:f-${route}`,
  admin: (route) => `admin:a-${route}`,
};

/**
 * What becomes of a proposal by who decides on it and how it stands: the state after, or the code of the refusal. `proposer` is an officer
 * who proposed it, `other` another officer.
 */
export const decisions = table(`
  stands    | word    | proposer       | other     | operator  | viewer    | trader    | admin
  proposed  | approve | own_proposal   | applied   | forbidden | forbidden | forbidden | forbidden
  proposed  | reject  | cancelled      | rejected  | forbidden | forbidden | forbidden | forbidden
  expired   | approve | not_open       | not_open  | forbidden | forbidden | forbidden | forbidden
  expired   | reject  | not_open       | not_open  | not_open  | forbidden | forbidden | forbidden
  applied   | approve | not_open       | not_open  | forbidden | forbidden | forbidden | forbidden
  applied   | reject  | not_open       | not_open  | not_open  | forbidden | forbidden | forbidden
  rejected  | approve | not_open       | not_open  | forbidden | forbidden | forbidden | forbidden
  cancelled | approve | not_open       | not_open  | forbidden | forbidden | forbidden | forbidden
`);
