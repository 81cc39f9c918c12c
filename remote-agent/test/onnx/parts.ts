import { removeSampling } from '../../src/diffusion/vae-graph.ts';
import type { Graph } from '../../src/onnx/graph.ts';
import { loadGraph } from '../../src/onnx/io.ts';
import { fixDimensions } from '../../src/onnx/simplify.ts';
import { goldenPath } from '../training/golden.ts';

/** Sizes of every symbolic dimension, by its place in the inputs of the parts. */
const sizes: Record<string, number[]> = {
  sample: [2, 4, 8, 16],
  latent_sample: [1, 4, 6, 4],
  timestep: [2],
  encoder_hidden_states: [2, 12, 0],
  text_embeds: [2, 0],
  time_ids: [2, 6],
  input_ids: [2, 16],
};

/** Shapes of a part's inputs with every symbolic dimension filled in. */
export function shapesFor(graph: Graph, part: string): Record<string, number[]> {
  return Object.fromEntries(
    graph.inputs.map((input) => {
      const tensor = input.type!.value.value as {
        shape?: { dim: { value: { case?: string; value?: unknown } }[] };
      };
      const wanted = part === 'vae_encoder' ? [1, 3, 16, 24] : sizes[input.name];
      if (!wanted) throw new Error(`no sizes for ${input.name}`);
      const dims = (tensor.shape?.dim ?? []).map((dim, i) =>
        dim.value.case === 'dimValue' ? Number(dim.value.value) : wanted[i]!,
      );
      return [input.name, dims];
    }),
  );
}

const bases = ['bases/tiny-optimum', 'bases/tiny-dynamo', '../../bases/pocket-sdxl'];
const names = ['text_encoder', 'text_encoder_2', 'unet', 'vae_encoder', 'vae_decoder'];

/** Base and part of every model file that comes with the tests, and of the base that ships. */
export const parts = bases.flatMap((base) => names.map((part) => [base, part] as const));

/** A part's graph of fixed sizes. */
export function loadPart(
  base: string,
  part: string,
): { graph: Graph; shapes: Record<string, number[]>; folder: string } {
  const folder = goldenPath(`${base}/${part}`);
  const graph = loadGraph(`${folder}/model.onnx`);
  if (part === 'vae_encoder') removeSampling(graph);
  const shapes = shapesFor(graph, part);
  fixDimensions(graph, shapes);
  return { graph, shapes, folder };
}
