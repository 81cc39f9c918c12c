import { env, type InputBox, l10n, type SecretStorage, ThemeIcon, window } from 'vscode';
import type { HostKeyQuestion, Prompter, SecretQuestion } from '../../remote-agent/src/hosts/prompter.ts';

/** A secret that was used a moment ago and is asked for again was wrong. In ms. */
const wrongWithin = 60_000;

/**
 * Answers what a connection asks through the editor: host keys as a modal question, secrets as input boxes. What a
 * person wants remembered goes into the editor's secret storage and nowhere else.
 */
export class EditorPrompter implements Prompter {
  #turn: Promise<unknown> = Promise.resolve();
  readonly #used = new Map<string, number>();

  constructor(readonly secrets: SecretStorage) {}

  /** One question after the other, though several connections ask at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work, work);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  confirmHostKey = ({ host, keyType, fingerprint }: HostKeyQuestion): Promise<boolean> =>
    this.#inTurn(async () => {
      const trust = l10n.t('Trust This Key');
      // The first button is what Enter presses: it must do no harm.
      const copy = l10n.t('Copy Fingerprint');
      for (;;) {
        const answer = await window.showWarningMessage(
          l10n.t('The host {0} is not known yet. Is this its key?', host),
          {
            modal: true,
            detail: l10n.t(
              '{0}\n{1}\n\nCompare it with the fingerprint that whoever runs the host names. It is kept in known_hosts.',
              keyType,
              fingerprint,
            ),
          },
          copy,
          trust,
        );
        if (answer !== copy) return answer === trust;
        await env.clipboard.writeText(fingerprint);
      }
    });

  ask = (question: SecretQuestion): Promise<readonly string[] | undefined> =>
    this.#inTurn(async () => {
      const answers: string[] = [];
      const several = question.fields.length > 1;
      const title = question.again ? l10n.t('That was not right. {0}', question.title) : question.title;
      for (const [i, { label, echo }] of question.fields.entries()) {
        const key = `${question.title} | ${label}`;
        // Several fields are a second factor: such an answer serves once.
        const kept = echo || several ? undefined : await this.#kept(key, question.again);
        const step = several ? { step: i + 1, totalSteps: question.fields.length } : undefined;
        const answer = kept ?? (await this.#input(title, label, echo, key, step));
        if (answer === undefined) return undefined;
        answers.push(answer);
      }
      return answers;
    });

  async #kept(key: string, again = false): Promise<string | undefined> {
    const kept = await this.secrets.get(key);
    if (kept === undefined) return undefined;
    const used = this.#used.get(key) ?? 0;
    this.#used.set(key, Date.now());
    if (!again && Date.now() - used > wrongWithin) return kept;
    await this.secrets.delete(key);
    return undefined;
  }

  #input(
    title: string,
    label: string,
    echo: boolean,
    key: string,
    /** Where it stands among several; `undefined` where it is alone. */
    step: Pick<InputBox, 'step' | 'totalSteps'> | undefined,
  ): Promise<string | undefined> {
    const box = window.createInputBox();
    box.title = title;
    box.prompt = label;
    box.password = !echo;
    box.ignoreFocusOut = true;
    if (step) Object.assign(box, step);
    let keep = false;
    const show = () => {
      if (echo || step) return;
      box.buttons = [
        {
          iconPath: new ThemeIcon(keep ? 'pass-filled' : 'save'),
          tooltip: keep
            ? l10n.t('Will be remembered in the secret storage of the editor')
            : l10n.t('Remember it in the secret storage of the editor'),
        },
      ];
    };
    show();
    return new Promise((resolve) => {
      box.onDidTriggerButton(() => {
        keep = !keep;
        show();
      });
      box.onDidAccept(async () => {
        const { value } = box;
        if (keep) {
          this.#used.set(key, Date.now());
          await this.secrets.store(key, value);
        }
        resolve(value);
        box.dispose();
      });
      box.onDidHide(() => {
        resolve(undefined);
        box.dispose();
      });
      box.show();
    });
  }
}
