/** The known words that `word` may have been meant as, the nearest by edit distance first; parts of a word count as near. */
export function nearWords(word: string, known: readonly string[]): string[] {
  const wanted = word.toLowerCase();
  return known
    .map((k) => ({ k, d: distance(wanted, k.toLowerCase()), part: k.toLowerCase().includes(wanted) }))
    .filter(({ d, part }) => d <= Math.max(2, word.length / 3) || (part && wanted.length > 2))
    .sort((a, b) => a.d - b.d)
    .map(({ k }) => k);
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
