/** Gives a text in the language of whoever reads it: `l10n.t` in the editor, `inEnglish` elsewhere. */
export type Translate = (message: string, ...values: (string | number)[]) => string;

/** The texts as they are written in the code. */
export const inEnglish: Translate = (message, ...values) =>
  message.replace(/\{(\d+)\}/g, (whole, index: string) => String(values[Number(index)] ?? whole));
