/**
 * Whom each account belongs to: the entity that the rules put it in, else itself. An account outside of an entity whose name it bears belongs
 * to nobody, since its owner could not be told from the entity's. `entities`: of the rule document in force.
 */
export function ownersOf(
  entities: Readonly<Record<string, { readonly accounts: readonly string[] }>> = {},
): (account: string) => string {
  const owners = new Map<string, string>();
  for (const [entity, { accounts }] of Object.entries(entities))
    for (const account of accounts) owners.set(account, entity);
  return (account) => owners.get(account) ?? (Object.hasOwn(entities, account) ? nobody : account);
}

/** No principal's owner is spelled so. */
const nobody = "";
