/** What texts have to look like. Nothing here needs the schema library, so that a browser can have it. */

/** Names of accounts, assets, instruments, orders, sources and entities. */
export const idPattern = /^[A-Za-z0-9_-]{1,64}$/;
/** For people: no control or format characters and no halves of characters, which a database would refuse as text. */
export const textPattern = /^[^\p{Cc}\p{Cf}\p{Cs}]{0,200}$/u;
/** Why somebody does something: at least three characters, for those who read the audit. */
export const reasonPattern = /^[^\p{Cc}\p{Cf}\p{Cs}]{3,200}$/u;
/** Accounts that one command may give to an entity. */
export const entityAccountsMax = 50;
