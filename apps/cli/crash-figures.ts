/** Numbers for people: short, with their unit. Statistics only; money that is owed is never printed through here. */

export function usd(value: number): string {
  const sign = value < 0 ? "−" : "";
  const size = Math.abs(value);
  if (size >= 1e9) return `${sign}$${(size / 1e9).toFixed(2)}bn`;
  if (size >= 1e6) return `${sign}$${(size / 1e6).toFixed(2)}m`;
  if (size >= 1e5) return `${sign}$${(size / 1e3).toFixed(0)}k`;
  return size >= 100 || size === 0 ? `${sign}$${count(size)}` : `${sign}$${size.toFixed(2)}`;
}

export const count = (value: number): string =>
  Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, ",");
export const percent = (share: number, decimals: number = 1): string => `${(share * 100).toFixed(decimals)} %`;
export const basisPoints = (value: number): string => `${value.toFixed(1)} bp`;

export function micros(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} s`;
  return value >= 1_000 ? `${(value / 1_000).toFixed(2)} ms` : `${value.toFixed(0)} µs`;
}

/** `2020-03-12 10:45` UTC. */
export const minute = (t: number): string => new Date(t).toISOString().slice(0, 16).replace("T", " ");

export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
