import { expect, test } from 'vitest';
import { chooseLayers } from '../../src/adapters/layers.ts';
import type { TargetLayer } from '../../src/adapters/method.ts';

const linear = [
  'time_embedding.linear_1',
  'down_blocks.1.attentions.0.proj_in',
  'down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q',
  'down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_k',
  'down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_v',
  'down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0',
  'down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_q',
  'down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_out.0',
  'down_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj',
  'down_blocks.1.attentions.0.transformer_blocks.0.ff.net.2',
  'down_blocks.1.resnets.0.time_emb_proj',
];
const conv = [
  'conv_in',
  'down_blocks.1.resnets.0.conv1',
  'down_blocks.1.resnets.0.conv_shortcut',
  'down_blocks.1.downsamplers.0.conv',
  'up_blocks.0.upsamplers.0.conv',
];
const layers: TargetLayer[] = [...linear, ...conv].map((path) => ({
  path,
  kind: conv.includes(path) ? 'conv' : 'linear',
  node: path,
  dIn: 8,
  dOut: 8,
}));
const paths = (choice?: string | string[]) => chooseLayers(layers, choice).map((l) => l.path);

test('the presets choose the layers that they are named after', () => {
  expect(paths()).toEqual(linear.slice(2, 8));
  expect(paths('attention')).toEqual(linear.slice(2, 8));
  expect(paths('attention+ff')).toEqual(linear.slice(2, 10));
  expect(paths('all-linear')).toEqual(linear);
  expect(paths('author')).toEqual([...linear.slice(2, 6), linear[10], ...conv.slice(1)]);
});

test('globs choose by module path; a list joins, an exclamation mark takes away', () => {
  expect(paths('**.attn*.to_{q,k,v,out.0}')).toEqual(linear.slice(2, 8));
  expect(paths('conv_in')).toEqual(['conv_in']);
  expect(paths(['conv_*', '**.downsamplers.**'])).toEqual(['conv_in', 'down_blocks.1.downsamplers.0.conv']);
  expect(paths(['attention', '!**.attn1.**'])).toEqual(linear.slice(6, 8));
  expect(paths('**')).toEqual(layers.map((l) => l.path));
});

test('a pattern that matches nothing is refused with what paths look like', () => {
  expect(() => paths('down_blocks.9.**')).toThrow(/down_blocks\.9/);
  expect(() => paths(['attention', '**.attn3.*'])).toThrow(/attn3/);
});
