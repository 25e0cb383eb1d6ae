const digits = 18;

/** "0.02" as a whole number of 10⁻¹⁸, which sums and compares exactly. */
export function units(amount: string): bigint {
  const [whole = "0", fraction = ""] = amount.split(".");
  return BigInt(whole + fraction.padEnd(digits, "0").slice(0, digits));
}

export function amount(value: bigint): string {
  const sign = value < 0n ? "-" : "";
  const text = (value < 0n ? -value : value).toString().padStart(digits + 1, "0");
  const fraction = text.slice(-digits).replace(/0+$/, "");
  return `${sign}${text.slice(0, -digits)}${fraction === "" ? "" : `.${fraction}`}`;
}

export const least = (left: bigint, right: bigint): bigint => (left < right ? left : right);
