// How a step graph grows with the depth of the U-Net: the architecture of a base with fewer and fewer transformer blocks.
// A case as JSON in, rows as JSON out, and a plot of them.
import { writeFileSync } from 'node:fs';
import { chooseLayers } from '../../src/adapters/layers.ts';
import { methodByName } from '../../src/adapters/methods.ts';
import { openBase } from '../../src/diffusion/base.ts';
import { encodeGraph, loadGraph } from '../../src/onnx/io.ts';
import { findLayers } from '../../src/onnx/modules.ts';
import { unetInputs } from '../../src/training/engine.ts';
import { buildStepGraph, prepareUnet } from '../../src/training/step-graph.ts';
import { createStepSession } from '../../src/training/step-session.ts';
import { limitBlocks } from './depth.ts';
import { growthPlot } from './growth-plot.ts';

export interface GrowthCase {
  readonly base: string;
  readonly method: 'para' | 'lora';
  /** Side of the latents. */
  readonly latent: number;
  /** Where the plot is written. */
  readonly plot: string;
}

/** One depth. */
export interface GrowthRow {
  /** Transformer blocks. */
  readonly blocks: number;
  readonly layers: number;
  readonly forwardNodes: number;
  readonly fastNodes: number;
  readonly leanNodes: number;
  /** The graphs as the runtime gets them, without weights. */
  readonly fastBytes: number;
  readonly leanBytes: number;
  /**
   * Processor time from the file to the graph's bytes, and of the runtime's loading of them, of `lean`; the smallest of
   * three. Both work on one thread.
   */
  readonly buildMs: number;
  readonly sessionMs: number;
}

const what = JSON.parse(process.argv[2]!) as GrowthCase;
const base = openBase(what.base);
const method = methodByName(what.method);
const shapes = {
  ...{ batch: 1, latentChannels: base.latentChannels, latentHeight: what.latent, latentWidth: what.latent },
  tokens: base.textEncoders[0]!.tokens,
};

/** Milliseconds of processor time since the process began. */
const processor = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

function build(most: number, memory: 'fast' | 'lean') {
  const begin = processor();
  const graph = loadGraph(base.unet);
  const blocks = limitBlocks(graph, most);
  const { layers } = findLayers(graph);
  const unet = unetInputs(base, shapes);
  prepareUnet(graph, unet, shapes.batch);
  const forwardNodes = graph.nodes.length;
  const plan = method.plan(chooseLayers(layers, 'attention'), {});
  buildStepGraph(graph, { shapes, unet, method, plan, memory });
  const bytes = encodeGraph(graph).length;
  const buildMs = processor() - begin;
  return { graph, blocks, layers: plan.layers.length, forwardNodes, bytes, buildMs };
}

async function measure(most: number): Promise<GrowthRow> {
  const fast = build(most, 'fast');
  const buildMs: number[] = [];
  const sessionMs: number[] = [];
  let lean = build(most, 'lean');
  for (let i = 0; i < 3; i++) {
    lean = build(most, 'lean');
    buildMs.push(lean.buildMs);
    const begin = processor();
    const session = await createStepSession(lean.graph, { device: 'cpu', directory: base.unet.weights });
    sessionMs.push(processor() - begin);
    await session.release();
  }
  const { blocks, layers, forwardNodes } = lean;
  return {
    ...{
      blocks,
      layers,
      forwardNodes,
      fastNodes: fast.graph.nodes.length,
      leanNodes: lean.graph.nodes.length,
    },
    ...{ fastBytes: fast.bytes, leanBytes: lean.bytes },
    ...{ buildMs: Math.min(...buildMs), sessionMs: Math.min(...sessionMs) },
  };
}

const rows: GrowthRow[] = [];
for (const most of [1, 2, 4, 6, 8, 10]) rows.push(await measure(most));
writeFileSync(what.plot, growthPlot(rows));
process.stdout.write(`${JSON.stringify(rows)}\n`);
