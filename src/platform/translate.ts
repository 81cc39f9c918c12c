/** `l10n.t` of the editor, or what stands in for it where there is no editor. */
export type Translate = (message: string, ...values: (string | number)[]) => string;

/** The texts as they are written in the code. */
export const inEnglish: Translate = (message, ...values) =>
  message.replace(/\{(\d+)\}/g, (whole, index: string) => String(values[Number(index)] ?? whole));
