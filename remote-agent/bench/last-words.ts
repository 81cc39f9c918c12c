/** Why the runtime did not load a provider or lost its device, in its own words. */
export const runtimeWords = (said: string): string | undefined =>
  /(?:with error: |CUDA failure|CUDA error).*/.exec(said)?.[0].trim();

/** What a program said before it failed, on a line: from the last line that names an error on, else its end. */
export function lastWords(said: string): string {
  const lines = said
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^\^+$|^at |^Node\.js v/.test(line));
  const error = lines.findLastIndex((line) =>
    /^(\w*(Error|Exit|Exception|Interrupt)\b|\w+(\.\w+)+: )/.test(line),
  );
  const words = error < 0 ? lines.slice(-3) : lines.slice(error, error + 3);
  const cause = runtimeWords(said);
  if (cause && !words.some((line) => line.includes(cause))) words.push(cause);
  return words.join(' / ').slice(0, 500);
}

/** Says how a child ended, with its last words. */
export function failure(program: string, code: number | null, signal: string | null, said: string): Error {
  const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
  const words = lastWords(said);
  return new Error(words ? `${program} ${how}: ${words}` : `${program} ${how}`);
}
