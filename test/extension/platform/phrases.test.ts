import { describe, expect, test } from 'vitest';
import bundle from '../../../l10n/bundle.l10n.json' with { type: 'json' };
import { failAt, headerLength } from '../../../remote-agent/src/adapters/safetensors-header.ts';
import { ParaError } from '../../../remote-agent/src/common/errors.ts';
import { diskError } from '../../../remote-agent/src/common/files.ts';
import { hostError } from '../../../remote-agent/src/hosts/transports/explain.ts';
import { parseSubject } from '../../../remote-agent/src/subject/load.ts';
import { failureTexts } from '../../../scripts/l10n/failures.mjs';
import { Phrases } from '../../../src/platform/phrases.ts';

function failure(run: () => unknown): ParaError {
  try {
    run();
  } catch (cause) {
    if (cause instanceof ParaError) return cause;
    throw cause;
  }
  throw new Error('It did not fail');
}

describe('sentences of programs that speak English', () => {
  const phrases = new Phrases({
    'The disk is full': 'Die Platte ist voll',
    'There is no host "{0}"': 'Es gibt keinen Rechner „{0}“',
    '{0} of {1} bytes came': 'von {1} Bytes kamen {0}',
    'Step {0}: {1}': 'Schritt {0}: {1}',
    '{0}: {1}': '{0} – {1}',
    '{0} and {1}': '{0} und {1}',
  });

  test.each([
    ['that are the same each time', 'The disk is full', 'Die Platte ist voll'],
    ['with a value', 'There is no host "a (b)"', 'Es gibt keinen Rechner „a (b)“'],
    ['with values in another order', '3 of 7 bytes came', 'von 7 Bytes kamen 3'],
    ['with a value over several lines', 'There is no host "a\nb"', 'Es gibt keinen Rechner „a\nb“'],
    ['within others', 'Step 5: The disk is full', 'Schritt 5: Die Platte ist voll'],
  ])('are translated: those %s', (_, said, told) => {
    expect(phrases.translate(said)).toBe(told);
  });

  test('stay as they are where nobody translated them, whatever they are made of', () => {
    for (const said of ['The moon is full', '', '$& {0} \\', 'host: gone', 'check name and port'])
      expect(phrases.translate(said)).toBe(said);
  });
});

describe('what translators get of failures', () => {
  test('is what is thrown, with places for what a template puts in', () => {
    const source = `
      const refuse = (what: string, hint: string) => new ParaError('host', what, { hint });
      function f(n: number) {
        if (n > 3) refuse(\`There are \${n} of them\`, n > 4 ? 'take four fewer' : 'take some fewer');
        emit({ type: 'note', message: 'It goes on ' + n });
        log('nobody reads this here');
        throw new ParaError('run', 'It is gone now', { hint: \`look at \${a} or \${b}\`, where: 'no text this' });
      }`;
    expect(failureTexts('x.ts', source).sort()).toEqual([
      'It goes on ',
      'It is gone now',
      'There are {0} of them',
      'look at {0} or {1}',
      'take four fewer',
      'take some fewer',
    ]);
  });

  test('holds the sentences of failures as they are met', () => {
    const marked = new Phrases(Object.fromEntries(Object.keys(bundle).map((text) => [text, `<${text}>`])));
    const refused = hostError(
      { name: 'gpu', target: 'ada@gpu', root: '/r', transport: 'ssh2' },
      'Permission denied (publickey).',
      255,
    );
    const broken = (text: string) => failure(() => parseSubject(text, '/dog.para.json'));
    const full = diskError(Object.assign(new Error('no space'), { code: 'ENOSPC' }), '/runs') as ParaError;
    const header = failure(() => headerLength(new Uint8Array(3), 3, failAt('/dog.safetensors')));
    const met = [refused, full, header, broken('{"pictures": []}'), broken('{"bas": 1}'), broken('{')];
    const told = met.flatMap(({ message, hint }) => [message, hint]).map((text) => marked.translate(text!));
    expect(told).toEqual([
      '<The host refused the login>',
      '<see that "ssh ada@gpu" works; name the key with -i>',
      '<The disk is full>',
      '<free some space, then repeat; nothing written before is lost>',
      '<The file has 3 bytes, too few for a safetensors header>',
      '<the file is damaged or cut off; copy or download it again>',
      '<"<class>" is missing in the file>',
      '<What kind of thing it is: dog, teapot, person.>',
      '<Unknown setting "bas" in the file>',
      '<did you mean "<base>"?>',
      '<The subject file is not valid JSON: close brace expected>',
      '<comments are allowed; check commas, quotes and brackets here>',
    ]);
  });
});
