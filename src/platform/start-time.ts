/**
 * How long the extension's code took to be loaded, in ms: between the marks that the bundle sets at its first line and
 * its last. What other extensions do before `activate` is called is not in it.
 */
export function loadingTime(): number {
  const at = (name: string) => performance.getEntriesByName(`para-studio/${name}`, 'mark')[0]?.startTime ?? 0;
  return at('loaded') - at('load');
}
