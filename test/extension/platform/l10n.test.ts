import { expect, test } from 'vitest';
import { untranslated } from '../../../scripts/l10n/untranslated.mjs';

test.each([
  ['a message', "window.showInformationMessage('Done');"],
  ['a sentence anywhere', "const why = 'the host is gone';"],
  ['a sentence with something put in', `say(\`\${name} is ready now\`);`],
  ['a label', "const item = { label: 'Base' };"],
  ['a row of a tree', "new TreeItem('Base');"],
  ['how far work is', "work.report('unpacking');"],
  ['an error', "throw new ParaError('base', 'Gone');"],
  ['what is put into a text', "t('It is {0}', on ? 'switched on' : '');"],
  ['words between elements', 'const page = <p>Ready</p>;'],
  ['a name for screen readers', 'const page = <img alt="Sample" />;'],
])('a text that translators would not get is found: %s', (_, source) => {
  expect(untranslated('webview/x.tsx', `\n${source}`)).toEqual([
    expect.stringMatching(/^webview\/x\.tsx:2: "/),
  ]);
});

test.each([
  ['a translated text', "window.showInformationMessage(l10n.t('{0} is done', name));"],
  ['names of commands and icons', `command('para.showRun', { label: \`$(play) \${title}\` });`],
  ['names of styles', 'const page = <p class="ui-quiet run-where" />;'],
  ['what is looked for', "if (hint.includes('the system own')) go();"],
  ['the log', "log.info('The panel is not brought back');"],
])('what nobody reads is none: %s', (_, source) => {
  expect(untranslated('webview/x.tsx', source)).toEqual([]);
});
