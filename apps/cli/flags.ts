import { InvalidArgumentError } from "commander";

/** A flag's value as a whole number within bounds, both included. */
export function whole(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`a whole number from ${least} to ${most}`);
    return value;
  };
}

/** A flag's value as a number within bounds, both included. */
export function real(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+(\.\d+)?$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`a number from ${least} to ${most}`);
    return value;
  };
}

/** UTC ms, or an ISO time read as UTC. */
export function instant(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  const value = Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) || !text.includes("T") ? text : `${text}Z`);
  if (Number.isNaN(value)) throw new InvalidArgumentError("a time such as 2020-03-13T02:00, or UTC milliseconds");
  return value;
}
