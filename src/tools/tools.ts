import {
  type CancellationToken,
  Disposable,
  LanguageModelTextPart,
  type LanguageModelTool,
  LanguageModelToolResult,
  l10n,
  lm,
  Uri,
  workspace,
} from 'vscode';
import { redact } from '../../remote-agent/src/common/redact.ts';
import type { PictureRequest } from '../compare/draw.ts';
import type { CompareCommandServices } from '../compare/start.ts';
import { Disposables } from '../platform/disposables.ts';
import { describe } from '../platform/failure.ts';
import type { Run } from '../runs/run.ts';

const text = (value: unknown) =>
  new LanguageModelToolResult([
    new LanguageModelTextPart(typeof value === 'string' ? value : JSON.stringify(value, null, 1)),
  ]);

/** A path as the model knows it: one of the machine that the workspace is on. */
function workspaceFile(path: string): Uri {
  const folder = workspace.workspaceFolders?.[0]?.uri;
  return folder && folder.scheme !== 'file' ? folder.with({ path }) : Uri.file(path);
}

/** What a model is told of a run. */
const brief = ({ id, subject, method, base, host, state, step, steps, loss, error, createdAt }: Run) => ({
  ...{ id, subject, method, base, host, state, step, steps, createdAt },
  ...(loss === undefined ? {} : { loss }),
  ...(error === undefined ? {} : { error }),
});

async function draw(services: CompareCommandServices, input: PictureRequest, token: CancellationToken) {
  const controller = new AbortController();
  token.onCancellationRequested(() => controller.abort());
  const { drawPicture } = await import('../compare/draw.ts');
  return drawPicture(services, input, controller.signal);
}

/** A tool that asks the person first, in the words of `confirm`. */
function tool<Input>(
  title: (input: Input) => string,
  confirm: (input: Input) => string,
  invoke: (input: Input, token: CancellationToken) => Promise<unknown>,
): LanguageModelTool<Input> {
  return {
    prepareInvocation: ({ input }) => ({
      invocationMessage: title(input),
      confirmationMessages: { title: title(input), message: confirm(input) },
    }),
    invoke: async ({ input }, token) => {
      try {
        return text(await invoke(input, token));
      } catch (cause) {
        // A model sees the message alone: where it is and what to do about it belong there.
        throw new Error(redact(describe(cause)), { cause });
      }
    },
  };
}

/** Tools by which the editor's own agents train, draw and compare; each asks first. */
export function registerTools(services: CompareCommandServices): Disposable {
  const owned = new Disposables();
  owned.add(
    lm.registerTool(
      'para_train',
      tool<{ subjectFile: string; host?: string; method?: 'para' | 'lora' }>(
        ({ subjectFile }) => l10n.t('Train {0}', subjectFile),
        ({ subjectFile, host }) =>
          host
            ? l10n.t('Train the subject {0} on {1}?', subjectFile, host)
            : l10n.t('Train the subject {0}?', subjectFile),
        async ({ subjectFile, host, method }) => {
          const { trainSubject } = await import('../subject/train.ts');
          const runs = await trainSubject(services, {
            subject: workspaceFile(subjectFile),
            ...(host ? { host } : {}),
            ...(method ? { methods: [method] } : {}),
          });
          return { runs };
        },
      ),
    ),
  );
  owned.add(
    lm.registerTool(
      'para_list_runs',
      tool<{ limit?: number }>(
        () => l10n.t('List training runs'),
        () => l10n.t('Read the history of training runs?'),
        async ({ limit = 20 }) => services.runs.all().slice(0, limit).map(brief),
      ),
    ),
  );
  owned.add(
    lm.registerTool(
      'para_generate',
      tool<{ prompt: string; adapter?: string; host?: string }>(
        ({ prompt }) => l10n.t('Draw "{0}"', prompt),
        ({ prompt }) => l10n.t('Draw a picture of "{0}"?', prompt),
        async (input, token) => ({ picture: await draw(services, input, token) }),
      ),
    ),
  );
  owned.add(
    lm.registerTool(
      'para_compare',
      tool<{ runs: readonly string[]; prompts?: readonly string[] }>(
        ({ runs }) => l10n.t('Compare {0} adapters', runs.length),
        ({ runs }) => l10n.t('Open a comparison of {0}?', runs.join(', ')),
        async ({ runs, prompts }) => {
          const { whichAdapter } = await import('../adapters/commands.ts');
          const { openAdapters } = await import('../compare/start.ts');
          const found = await Promise.all(runs.map((run) => whichAdapter(services, run, '')));
          await openAdapters(
            services,
            found.filter((one) => one !== undefined),
            prompts,
          );
          return 'The comparison is open.';
        },
      ),
    ),
  );
  return new Disposable(() => owned.dispose());
}
