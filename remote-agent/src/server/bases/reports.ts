import type { Base } from '../../diffusion/base.ts';
import type { BaseReport } from '../../diffusion/base-check.ts';
import { listBases } from '../../diffusion/base-import.ts';
import type { BaseCheck, BaseInfo } from '../../protocol/contract/bases.ts';
import type { RunMemory } from '../../protocol/contract/jobs.ts';
import type { PlanOfRun } from '../../training/memory-plan.ts';
import { isShipped } from './places.ts';

/** The bases of this machine as clients see them. */
export const baseInfos = (): BaseInfo[] =>
  listBases().map(({ name, bytes, base, problem, directory }) => ({
    ...{ name, bytes, hash: base?.hash ?? '', shipped: isShipped(directory) },
    ...(base ? { architecture: base.architecture, width: base.width, height: base.height } : {}),
    ...(problem === undefined ? {} : { problem }),
  }));

/** A report as it travels: unknown dimensions are null, folders of the host stay there. */
export function baseCheck({
  name,
  hash,
  base,
  parts,
  layers,
  memory,
  weights,
  problems,
}: BaseReport): BaseCheck {
  const ports = (list: BaseReport['parts'][number]['inputs']) =>
    list.map((p) => ({ name: p.name, type: p.type, dims: p.dims.map((d) => d ?? null) }));
  return {
    name,
    ...(hash === undefined ? {} : { hash }),
    ...(base ? { facts: factsOf(base) } : {}),
    parts: parts.map(({ path: _, inputs, outputs, precision, notes, ...rest }) => ({
      ...rest,
      ...{ inputs: ports(inputs), outputs: ports(outputs), precision: [...precision], notes: [...notes] },
    })),
    ...(layers
      ? { layers: { ...layers, presets: { ...layers.presets }, unnamed: [...layers.unnamed] } }
      : {}),
    ...(memory ? { memory } : {}),
    ...(weights ? { weights: [...weights] } : {}),
    problems: problems.map((problem) => ({ ...problem })),
  };
}

function factsOf(base: Base): NonNullable<BaseCheck['facts']> {
  const { architecture, width, height, sizeStep, latentChannels, vaeFactor, scalingFactor } = base;
  return {
    ...{ architecture, width, height, sizeStep, latentChannels, vaeFactor, scalingFactor },
    predictionType: base.predictionType,
    tokens: base.textEncoders.map((e) => e.tokens),
  };
}

/** A plan as it travels. */
export const runMemory = ({ mode, turns, neededBytes, freeBytes, note }: PlanOfRun): RunMemory => ({
  ...{ mode, turns, neededBytes },
  ...(freeBytes === undefined ? {} : { freeBytes }),
  ...(note === undefined ? {} : { note }),
});
