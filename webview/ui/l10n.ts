/** Translations of the editor's language, put into the page by the extension. */
const bundle: Record<string, string> = JSON.parse(
  document.getElementById('l10n')?.textContent || '{}',
) as Record<string, string>;

/** A text in the editor's language; `{0}`, `{1}` are filled in. */
export const t = (message: string, ...values: readonly (string | number)[]): string =>
  (bundle[message] ?? message).replace(/\{(\d+)\}/g, (whole, index: string) => {
    const value = values[Number(index)];
    return value === undefined ? whole : String(value);
  });
