/**
 * What steers a terminal, or turns the order of what is read in it: controls but tab and line end, line separators,
 * marks of writing direction.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const steering = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Text of the other end without what would steer a terminal. */
export const printable = (text: string): string => text.replace(steering, '?');

/** The same for every text in a value that came as JSON, names of members included. */
export function allPrintable(value: unknown): unknown {
  if (typeof value === 'string') return printable(value);
  if (Array.isArray(value)) return value.map(allPrintable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [printable(name), allPrintable(member)]),
  );
}
