/** Numbers of the system accounts in every book: their places in the fixed list (RULES §2). */
export const insuranceAccount = 0;
export const feesAccount = 1;
export const houseAccount = 2;
export const roundingAccount = 3;
export const badDebtAccount = 4;
export const clearingAccount = 5;
export const marketAccount = 6;
