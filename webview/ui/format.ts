/** 1.2 KB, 3.4 MB, 812 MB, 9.6 GB. */
export function bytes(count: number): string {
  if (count < 1e6) return `${(count / 1e3).toFixed(1)} KB`;
  if (count < 1e9) return `${count < 1e8 ? (count / 1e6).toFixed(1) : Math.round(count / 1e6)} MB`;
  return `${(count / 1e9).toFixed(1)} GB`;
}

/** 51 ms, 4.3 s, 12 min, 1 h 5 min. */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 90) return `${seconds.toFixed(1)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
