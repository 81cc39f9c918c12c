import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readPrompts } from '../../src/cli/prompts.ts';
import { partsOfLine } from '../../src/diffusion/prompt-lines.ts';

const folder = mkdtempSync(join(tmpdir(), 'para-prompts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'a.prompts');
const read = (text: string) => {
  writeFileSync(path, text);
  return readPrompts(path);
};

describe('a prompt file', () => {
  it('holds one prompt a line with its options; comments and empty lines are passed over', () => {
    const text =
      '# mine\n\n a dog -- asleep  --w 64 --h 96 --d 7 --s 20 --l 5.5 --ss Euler a --n too dark, blurred\r\na cat --ss dpmpp-2m\n';
    expect(read(text)).toEqual([
      {
        prompt: 'a dog -- asleep',
        width: 64,
        height: 96,
        seed: 7,
        steps: 20,
        guidance: 5.5,
        scheduler: 'euler-ancestral',
        negative: 'too dark, blurred',
      },
      { prompt: 'a cat', scheduler: 'dpmpp-2m' },
    ]);
  });

  it.each([
    ['a dog\na cat --x 4', 2],
    ['a dog --w wide', 1],
    ['a dog --d', 1],
    ['a dog --ss fast', 1],
    ['a dog --ss', 1],
    ['--d 4', 1],
  ])('is refused with the line that is not understood: %s', (text, line) => {
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'prompt', where: `${path}:${line}` }));
  });

  it('is refused when it is empty or missing', () => {
    expect(() => read('# nothing\n')).toThrow(expect.objectContaining({ code: 'prompt', where: path }));
    const absent = join(folder, 'absent.prompts');
    expect(() => readPrompts(absent)).toThrow(expect.objectContaining({ code: 'prompt', where: absent }));
  });

  it('is taken apart with the place of every option and value', () => {
    const line = '  a dog --w 64  --n too dark --s';
    const { prompt, options } = partsOfLine(line);
    for (const part of [prompt, ...options, ...options.map(({ value }) => value)])
      expect(line.slice(part.start, part.end)).toBe(part.text);
    expect([prompt.text, ...options.map(({ key, value }) => [key, value.text])]).toEqual([
      'a dog',
      ['w', '64'],
      ['n', 'too dark'],
      ['s', ''],
    ]);
  });
});
