import { describe, expect, it } from 'vitest';
import { adapterTags, chunkPrompt, parsePrompt, placedTexts } from '../../src/diffusion/prompt.ts';

const weights = (prompt: string) =>
  parsePrompt(prompt).texts.map(({ text, weight }) => [text, +weight.toFixed(4)]);

describe('the prompt language', () => {
  it.each([
    ['a cat', [['a cat', 1]]],
    ['', []],
    [
      'a (red) cat',
      [
        ['a ', 1],
        ['red', 1.1],
        [' cat', 1],
      ],
    ],
    [
      'a [red] cat',
      [
        ['a ', 1],
        ['red', 0.9091],
        [' cat', 1],
      ],
    ],
    [
      'a (red:1.4) cat',
      [
        ['a ', 1],
        ['red', 1.4],
        [' cat', 1],
      ],
    ],
    ['((red))', [['red', 1.21]]],
    [
      '(a (red:2) cat:0.5)',
      [
        ['a ', 0.5],
        ['red', 1],
        [' cat', 0.5],
      ],
    ],
    ['(red:-.5)', [['red', -0.5]]],
    ['time 12:30, ratio 3:4', [['time 12:30, ratio 3:4', 1]]],
    ['\\(plain\\) \\[signs\\] \\\\', [['(plain) [signs] \\', 1]]],
    ['(open to the end', [['open to the end', 1.1]]],
    ['closed only) ]', [['closed only) ]', 1]]],
    ['(a:1.2', [['a:1.2', 1.1]]],
  ])('reads %s', (prompt, expected) => {
    expect(weights(prompt)).toEqual(expected);
  });

  it('takes adapters out of the text, with strength 1 when none is given', () => {
    const parsed = parsePrompt('a <lora:teapot:0.8> on a table<lora:my style> <lora:x:-1.5>');
    expect(parsed.adapters).toEqual([
      { name: 'teapot', strength: 0.8 },
      { name: 'my style', strength: 1 },
      { name: 'x', strength: -1.5 },
    ]);
    expect(parsed.texts.map((t) => t.text).join('')).toBe('a  on a table ');
  });

  it.each(['<lora:>', '<lora::1>', '<lora:a:b>', '<lora:a:>', '<lora:a:1:2>'])('refuses %s', (tag) => {
    expect(() => parsePrompt(`a ${tag}`)).toThrow(expect.objectContaining({ code: 'prompt', where: tag }));
  });
});

describe('a long prompt', () => {
  const tokenizer = {
    start: 100,
    end: 101,
    padding: 0,
    encode: (text: string) => text.split(' ').filter(Boolean).map(Number),
  };

  it('fills chunks of the encoder, each with its own start, end and padding', () => {
    const chunks = chunkPrompt(
      [
        { text: '1 2 3 4 5', weight: 1 },
        { text: '6 7', weight: 1.3 },
      ],
      tokenizer,
      6,
    );
    expect(chunks).toEqual([
      { ids: [100, 1, 2, 3, 4, 101], weights: [1, 1, 1, 1, 1, 1] },
      { ids: [100, 5, 6, 7, 101, 0], weights: [1, 1, 1.3, 1.3, 1, 1] },
    ]);
  });

  it('is one chunk of padding when empty, or as many as asked for', () => {
    expect(chunkPrompt([], tokenizer, 4)).toEqual([{ ids: [100, 101, 0, 0], weights: [1, 1, 1, 1] }]);
    expect(chunkPrompt([], tokenizer, 4, 2)).toHaveLength(2);
  });

  it('tells where in the prompt each sign of a text stands, past brackets, escapes and adapters', () => {
    const prompt = 'a \\((re<lora:x>d:1.2) cat';
    for (const { text, at } of placedTexts(prompt)) expect(at.map((i) => prompt[i]).join('')).toBe(text);
    expect(placedTexts(prompt).map(({ text }) => text)).toEqual(['a (', 'red', ' cat']);
    expect(adapterTags(prompt).map(({ start, end }) => prompt.slice(start, end))).toEqual(['<lora:x>']);
  });
});
