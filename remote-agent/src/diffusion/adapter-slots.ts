import type { LayerOperator } from '../adapters/method.ts';
import { ParaError } from '../common/errors.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Tensor } from '../runtime/tensor.ts';

/** An adapter as sampling uses it: what it does to each layer, and how strongly. */
export interface AppliedAdapter {
  readonly operators: readonly LayerOperator[];
  readonly strength: number;
}

export class AdapterSlots {
  /** Makes room for the adapters; true when the session must be built again. */
  makeRoom(adapters: readonly AppliedAdapter[]): boolean {
    if (adapters.length > 0) throw new ParaError('adapter', 'Adapters cannot be applied yet');
    return false;
  }

  edit(): ((graph: Graph) => void) | undefined {
    return undefined;
  }

  feeds(_adapters: readonly AppliedAdapter[]): Record<string, Tensor> {
    return {};
  }
}
