import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { inEnglish } from '../../../remote-agent/src/common/translate.ts';
import { chunkPrompt, parsePrompt } from '../../../remote-agent/src/diffusion/prompt.ts';
import { ClipTokenizer } from '../../../remote-agent/src/diffusion/tokenizer.ts';
import { type BaseFacts, readBaseFacts } from '../../../src/prompt/base-facts.ts';
import { describePrompt, shortCount } from '../../../src/prompt/describe.ts';
import { adapterProblems, lineProblems, linesOf } from '../../../src/prompt/problems.ts';
import { plainSpot, spotAt } from '../../../src/prompt/spot.ts';
import { countTokens } from '../../../src/prompt/tokens.ts';

const base = join(import.meta.dirname, '../../../remote-agent/bases/pocket-sdxl');
const known = [
  { name: 'teapot', method: 'para', base: 'pocket-sdxl' },
  { name: 'robot', method: 'lora' },
];
let facts: BaseFacts;
beforeAll(async () => {
  facts = await readBaseFacts('pocket-sdxl', base);
});

describe('the tokens of a prompt', () => {
  it('are counted as the text encoder will see them, and each chunk ends where its own does', () => {
    const tokenizer = ClipTokenizer.open(join(base, 'tokenizer'));
    for (const prompt of [
      'a zwx dog',
      '',
      '(a red:1.2) <lora:teapot:0.8>dog, [blurred] strawberry-icecream watermelon '.repeat(7),
      'supercalifragilistic '.repeat(9),
    ]) {
      const { counts, chunks, ends } = countTokens(prompt, facts);
      const cut = chunkPrompt(parsePrompt(prompt).texts, tokenizer, facts.tokens);
      const inChunk = (ids: readonly number[]) => ids.indexOf(tokenizer.end, 1) - 1;
      expect(chunks).toBe(cut.length);
      expect(counts[0]).toBe(cut.reduce((sum, { ids }) => sum + inChunk(ids), 0));
      expect(ends).toHaveLength(cut.length - 1);
      for (const [i, end] of ends.entries()) {
        const before = countTokens(prompt.slice(0, end), facts).counts[0]!;
        // A chunk may end within a word; its beginning alone is then cut into other tokens.
        if (/[\s,]$/.test(prompt.slice(0, end))) expect(before).toBe((i + 1) * (facts.tokens - 2));
      }
    }
  });

  it('are told in a few signs', () => {
    expect(shortCount(countTokens('a zwx dog', facts), inEnglish)).toBe('3 tokens');
    expect(shortCount(countTokens('dog', facts), inEnglish)).toBe('1 token');
    expect(shortCount(countTokens('dog '.repeat(30), facts), inEnglish)).toBe('30 tokens, 2 chunks');
  });
});

describe('what is said about a prompt', () => {
  it('are its weights, its adapters and its tokens', () => {
    const text = describePrompt('a (red:1.3) dog <lora:teapot:0.8>', 'pocket-sdxl', facts, known, inEnglish);
    expect(text).toContain('| `red` | 1.3 |');
    expect(text).toContain('**teapot**: PaRa adapter for pocket\\-sdxl, strength 0.8');
    expect(text).toContain('see 3 tokens; 22 fit into a chunk.');
    const long = describePrompt('dog '.repeat(30), 'pocket-sdxl', facts, known, inEnglish);
    expect(long).toContain('see 30 tokens, in 2 chunks of at most 22.');
  });
});

describe('a prompt file', () => {
  const text =
    '# mine\r\na dog --w 64 --q 3\r\n\r\n--d 4\r\na cat --s many\r\na cat --ss fast --ss Euler a\r\n';

  it('has its faults at their places, with what to do', () => {
    const problems = lineProblems(linesOf(text), inEnglish);
    expect(problems.map(({ code, start, end }) => [code, text.slice(start, end)])).toEqual([
      ['bad-option', '--q 3'],
      ['no-prompt', '--d 4'],
      ['bad-option', '--s many'],
      ['bad-option', '--ss fast'],
    ]);
    expect(problems[2]!.message).toContain('steps');
    expect(problems[3]!.message).toContain('ddim, euler,');
  });

  it('finds the prompt under the caret', () => {
    const spots = linesOf(text).map(({ spot }) => spot);
    const found = spotAt(spots, text.indexOf('cat') + 1);
    expect([found?.spot.prompt, found?.index]).toEqual(['a cat', 3]);
    expect(spotAt(spots, 2)).toBeUndefined();
  });
});

describe('an adapter in a prompt', () => {
  const problems = (prompt: string) => adapterProblems(plainSpot(prompt, 10), known, inEnglish);

  it('is known, or something near is offered', () => {
    expect(problems('a dog <lora:teapot:0.8>')).toEqual([]);
    const [problem] = problems('a dog <lora:teapott:0.8>');
    expect(problem).toMatchObject({ code: 'unknown-adapter', start: 16, end: 34 });
    expect(problem!.fixes?.[0]?.changes?.[0]?.text).toBe('<lora:teapot:0.8>');
  });

  it('can be read, and has a strength that its method allows', () => {
    expect(problems('<lora:teapot:strong>')[0]!.code).toBe('bad-adapter');
    expect(problems('<lora:teapot:1.5>')[0]!.code).toBe('adapter-strength');
    expect(problems('<lora:robot:1.5>')).toEqual([]);
  });

  it('says nothing where the library is not known', () => {
    expect(adapterProblems(plainSpot('<lora:nope>', 0), undefined, inEnglish)).toEqual([]);
  });
});
