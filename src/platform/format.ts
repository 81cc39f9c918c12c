/** A method as people write it. */
export const methodName = (method: string): string =>
  ({ para: 'PaRa', lora: 'LoRA', deft: 'DEFT' })[method] ?? method;

/** 45 s, 12 min, 3.5 h. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** 1.2 KB, 812 MB, 9.6 GB. */
export function bytes(count: number): string {
  if (count < 1e6) return `${(count / 1e3).toFixed(1)} KB`;
  return count < 1e9 ? `${Math.round(count / 1e6)} MB` : `${(count / 1e9).toFixed(1)} GB`;
}
