import { l10n } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';

/** What is said where a host is wanted and there is none. */
export const noHostYet = (): ParaError =>
  new ParaError('host', l10n.t('There is no host yet'), { hint: l10n.t('add one with "PaRa: Add Host"') });
