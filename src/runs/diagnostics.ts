import { arch, platform, release } from 'node:os';
import { env, extensions, l10n, version, window, workspace } from 'vscode';
import { redact } from '../../remote-agent/src/common/redact.ts';
import { thisMachine } from '../hosts/this-machine.ts';
import { describe } from '../platform/failure.ts';
import { withProgress } from '../platform/progress.ts';
import type { Services } from './services.ts';

/** Writes what helps to find out what is wrong into a document, without secrets. */
export async function runDiagnostics({ context, hosts, runs }: Services): Promise<void> {
  const text = await withProgress(l10n.t('Gathering diagnostics'), async (work) => {
    const lines = [
      '# PaRa Studio diagnostics',
      '',
      `- extension ${String(context.extension.packageJSON.version)}, editor ${version} (${env.appName}, ${env.appHost})`,
      `- extension host: ${platform()} ${release()} ${arch()}, Node ${process.versions.node}`,
      `- remote: ${env.remoteName ?? 'none'}, trusted: ${workspace.isTrusted}, language: ${env.language}`,
      `- other extensions active: ${extensions.all.filter((e) => e.isActive && !e.id.startsWith('vscode.')).length}`,
      `- runs: ${runs.all().length} in ${runs.folder}`,
      '',
    ];
    for (const { name, transport } of hosts.list()) {
      work.report(name);
      lines.push(`## ${name} (${transport})`, '');
      // The agent of this machine is a part of the extension and asks nothing: what is wrong with it is looked for.
      if (!(name === thisMachine && workspace.isTrusted) && hosts.status(name).at !== 'connected') {
        const { at, problem } = hosts.status(name);
        lines.push(`${at}${problem ? `: ${describe(problem)}` : ''}`, '');
        continue;
      }
      try {
        const session = await hosts.session(name);
        const found = await session.call('host/diagnostics', {});
        lines.push('```json', JSON.stringify(found, null, 2), '```', '');
      } catch (cause) {
        lines.push(describe(cause), '');
      }
    }
    return redact(lines.join('\n'));
  });
  const document = await workspace.openTextDocument({ language: 'markdown', content: text });
  await window.showTextDocument(document);
}
