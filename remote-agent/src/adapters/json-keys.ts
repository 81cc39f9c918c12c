/**
 * The first key that an object of a valid JSON text names twice (`JSON.parse` would silently keep the last), or
 * nothing.
 */
export function repeatedKey(text: string): string | undefined {
  /** Keys of the objects that are open; lists have none. */
  const open: (Set<string> | undefined)[] = [];
  let keyNext = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '{') {
      open.push(new Set());
      keyNext = true;
    } else if (c === '[') {
      open.push(undefined);
      keyNext = false;
    } else if (c === '}' || c === ']') {
      open.pop();
      keyNext = false;
    } else if (c === ',') keyNext = open.at(-1) !== undefined;
    else if (c === '"') {
      const from = i;
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
      const keys = open.at(-1);
      if (!keyNext || !keys) continue;
      const key = JSON.parse(text.slice(from, i + 1)) as string;
      if (keys.has(key)) return key;
      keys.add(key);
      keyNext = false;
    }
  }
  return undefined;
}
