import { inEnglish, type Translate } from '../../common/translate.ts';

/** What happens during an installation. `way`: fetched by the host, by this machine, or sent to the host. */
export type InstallEvent =
  | {
      readonly type: 'transfer';
      readonly way: 'host' | 'here' | 'send';
      readonly file: string;
      readonly done: number;
      readonly total: number;
    }
  | InstallStep;

/** A part of an installation; `why`: why the host cannot fetch by itself. */
export type InstallStep =
  | { readonly type: 'step'; readonly at: 'unpacking' | 'trying' }
  | { readonly type: 'step'; readonly at: 'sending-node' | 'sending-files'; readonly why: string };

/** A part of an installation in words. */
export function stepText(step: InstallStep, t: Translate = inEnglish): string {
  switch (step.at) {
    case 'sending-node':
      return t('Node is sent from here: {0}', step.why);
    case 'sending-files':
      return t('files are sent from here: {0}', step.why);
    case 'unpacking':
      return t('unpacking');
    case 'trying':
      return t('trying it out');
  }
}

/** How a file comes to a host, in words. */
export const wayTexts = (t: Translate = inEnglish) => ({
  host: t('the host fetches'),
  here: t('fetching here'),
  send: t('sending'),
});
