/**
 * Passwords and passphrases that opened a way once, so that a lost link is taken up without asking again. They are in
 * the memory of this process alone, never written or logged, and end with it.
 */
const kept = new Map<string, string>();

/** @param of whom the secret is for, and what was asked */
export const keptSecret = (of: string): string | undefined => kept.get(of);
export const keepSecret = (of: string, secret: string): void => void kept.set(of, secret);
export const forgetSecret = (of: string): void => void kept.delete(of);

/** Whether what is asked for stays the same; a second factor is good for once, and is asked for each time. */
export const isLasting = (label: string, echo: boolean): boolean =>
  !echo &&
  /\bpass(word|phrase)\b/i.test(label) &&
  !/one.?time|\botp\b|oath|code|token|\bnew\b|current|expired/i.test(label);
