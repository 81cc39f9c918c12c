import { describe, expect, it } from 'vitest';
import { ParaError } from '../../src/common/errors.ts';
import { contradictions, keyPath } from '../../src/subject/contradictions.ts';
import { parseSubject } from '../../src/subject/load.ts';
import { makeTrainSpec } from '../../src/subject/train-spec.ts';

const path = '/somewhere/dog.para.json';
const refused = (text: string): ParaError => {
  try {
    parseSubject(text, path);
  } catch (cause) {
    if (cause instanceof ParaError) return cause;
    throw cause;
  }
  throw new Error('the file was accepted');
};

describe('a subject file', () => {
  it('needs pictures and a class word only', () => {
    const subject = parseSubject('{ // mine\n "pictures": ["*.png"], "class": "dog", }', path);
    const found = { base: { name: 'b', hash: 'h' }, pictures: [], validationPictures: [], createdAt: '' };
    const spec = makeTrainSpec(subject, found);
    expect(subject.name).toBe('dog');
    expect([spec.method.name, spec.training.steps, spec.trigger]).toEqual(['para', 200, 'zwx']);
    expect(makeTrainSpec(subject, found, { method: 'lora' }).training.steps).toBe(1000);
  });

  it('keeps its own number of steps unless another method is asked for', () => {
    const subject = parseSubject('{"pictures": ["a"], "class": "dog", "training": {"steps": 70}}', path);
    const found = { base: { name: 'b', hash: 'h' }, pictures: [], validationPictures: [], createdAt: '' };
    expect(makeTrainSpec(subject, found, { method: 'para' }).training.steps).toBe(70);
    expect(makeTrainSpec(subject, found, { method: 'lora' }).training.steps).toBe(1000);
    expect(makeTrainSpec(subject, found, { steps: 5 }).training.steps).toBe(5);
  });

  for (const [what, text, message, hint] of [
    [
      'suggests the nearest key for an unknown one',
      '{"pictures": ["a"], "class": "dog", "triger": "x"}',
      'triger',
      'trigger',
    ],
    [
      'says where a comma is wrong',
      '{"pictures": ["a"],, "class": "dog"}',
      'not valid JSON: property name expected',
      'commas',
    ],
    ['refuses an empty list of pictures', '{"pictures": [], "class": "dog"}', 'empty', ''],
    ['refuses a missing class', '{"pictures": ["a"]}', 'class', ''],
    [
      'refuses a min-SNR gamma of 0 and says why',
      '{"pictures": ["a"], "class": "d", "training": {"minSnrGamma": 0}}',
      'zero',
      '',
    ],
    [
      'refuses numbers out of range',
      '{"pictures": ["a"], "class": "d", "training": {"batch": 0}}',
      'batch',
      '',
    ],
    [
      'refuses rank and gamma together',
      '{"pictures": ["a"], "class": "d", "method": {"rank": 4, "gamma": 0.1}}',
      'Both',
      'keep one',
    ],
    [
      'refuses a number of random crops without random cropping',
      '{"pictures": ["a"], "class": "d", "training": {"crop": "buckets", "crops": 3}}',
      'crops',
      '"random"',
    ],
    [
      'refuses a best checkpoint without the validation that tells it',
      '{"pictures": ["a"], "class": "d", "validation": {"every": 0}, "checkpoints": {"best": true}}',
      'best checkpoint',
      'validation.every',
    ],
    [
      'refuses an adapter in a sample prompt',
      '{"pictures": ["a"], "class": "d", "samples": {"prompts": ["a d", "a d <lora:pot:0.5>"]}}',
      'samples show the run alone',
      'para generate',
    ],
    [
      'refuses a background that is no colour',
      '{"pictures": ["a"], "class": "d", "background": "whitish"}',
      'background',
      '#rrggbb',
    ],
    [
      'refuses to hold every picture out',
      '{"pictures": ["a"], "class": "d", "validation": {"share": 1}}',
      'validation.share',
      'below 1',
    ],
    [
      'refuses LoRA settings for PaRa',
      '{"pictures": ["a"], "class": "d", "method": {"alpha": 4}}',
      'alpha',
      'lora',
    ],
    [
      'refuses a scale beside an alpha',
      '{"pictures": ["a"], "class": "d", "method": {"name": "lora", "alpha": 4, "scale": "paper"}}',
      'alpha and scale',
      'alpha / rank',
    ],
  ] as const)
    it(what, () => {
      const error = refused(text);
      expect(error.message.toLowerCase()).toContain(message.toLowerCase());
      expect(error.hint ?? '').toContain(hint);
      expect(error.where).toContain(path);
    });

  it('is told all its contradictions with their places', () => {
    const file = {
      pictures: ['a'],
      class: 'dog',
      method: { rank: 4, gamma: 0.1, scale: 2 },
      samples: { prompts: ['a dog', 'a <lora:x> dog'] },
    };
    expect(contradictions(file).map(({ at }) => keyPath(at))).toEqual([
      'method.gamma',
      'method.scale',
      'samples.prompts[1]',
    ]);
  });
});
