import { ParaError } from '../common/errors.ts';
import { othersOnGpu } from './card-users.ts';
import { cudaTrouble } from './cuda-words.ts';

/** Where a session computes. */
export type DeviceName = 'cpu' | 'cuda' | 'webgpu';

/** What a device can do; code asks for abilities and never branches on the name. */
export interface Device {
  readonly name: DeviceName;
  /** Execution providers in order of preference, as the runtime names them. */
  readonly providers: readonly string[];
  /** Repeated runs of one graph give identical bits. */
  readonly deterministic: boolean;
  /** Its kernel of the fused `com.microsoft.MultiHeadAttention` computes what the operator says. */
  readonly fusedAttention: boolean;
  /** Operators whose kernels are too coarse, or promise no accuracy: their nodes are left to the CPU. */
  readonly coarse: readonly string[];
  /** Most tensors that one node may read and write together; `undefined`: any number. */
  readonly tensorsPerNode: number | undefined;
  /** Leaves operators that it has no kernel for to the CPU; a session's first run can tell which. */
  readonly partial: boolean;
  /** Computes the forward pass in half precision, and faster than in single. */
  readonly fastHalf: boolean;
  /** Has half-precision kernels for the operators of a training step. */
  readonly trainsInHalf: boolean;
  /** Lays weights out for their readers beside the weights themselves, unless a session is told not to. */
  readonly copiesWeights: boolean;
  /** Computes in the memory of the process: what a run holds beside its sessions lies there too. */
  readonly sharesMemory: boolean;
  /** Has memory of its own and kernels in double precision: what needs it is better computed there than brought there. */
  readonly computesDoubles: boolean;
}

const devices: Readonly<Record<DeviceName, Device>> = {
  cpu: {
    name: 'cpu',
    providers: ['cpu'],
    deterministic: true,
    fusedAttention: true,
    coarse: [],
    tensorsPerNode: undefined,
    partial: false,
    fastHalf: false,
    trainsInHalf: false,
    copiesWeights: true,
    sharesMemory: true,
    computesDoubles: false,
  },
  cuda: {
    name: 'cuda',
    providers: ['cuda', 'cpu'],
    deterministic: false,
    fusedAttention: true,
    coarse: [],
    tensorsPerNode: undefined,
    // It does so too, but its profile was not tried.
    partial: false,
    fastHalf: true,
    trainsInHalf: true,
    copiesWeights: false,
    sharesMemory: false,
    computesDoubles: true,
  },
  webgpu: {
    name: 'webgpu',
    providers: ['webgpu', 'cpu'],
    deterministic: false,
    // ONNX Runtime 1.30's is off by a tenth of the norm from 32 queries on, at least on SwiftShader.
    fusedAttention: false,
    // WGSL promises nothing for angles outside [-pi, pi]; those of a timestep go to a thousand.
    coarse: ['Sin', 'Cos'],
    // Storage buffers a shader may bind, of which the runtime takes what the adapter grants: at least these.
    tensorsPerNode: 8,
    partial: true,
    // Many a GPU has no halves in its shaders, and none that has was tried.
    fastHalf: false,
    trainsInHalf: false,
    // It does so for convolutions at least.
    copiesWeights: true,
    sharesMemory: false,
    computesDoubles: false,
  },
};

/** The device of that name. @throws ParaError `device` for an unknown one */
export function deviceByName(name: string): Device {
  const found = Object.hasOwn(devices, name) ? devices[name as DeviceName] : undefined;
  if (!found)
    throw new ParaError('device', `There is no device "${name}"`, {
      hint: `choose one of: ${Object.keys(devices).join(', ')}`,
    });
  return found;
}

/** The first line of what the runtime said, without the place in its own sources where it has one. */
const withoutPlace = (said: string): string =>
  said
    .split('\n')[0]!
    .replace(/^\S*onnxruntime\S*\.cc:\d+ .* (?:was false|failed)\. /, '')
    .slice(0, 300);

/** What the runtime said, when it could not start a provider, as an error that says what to install. */
export function deviceError(device: Device, cause: unknown): ParaError {
  const hints: Record<DeviceName, string> = {
    cpu: 'install the package onnxruntime-node again for this platform',
    cuda: 'an NVIDIA GPU with its driver, CUDA, cuDNN 9 and the CUDA provider files of ONNX Runtime are needed; or use --device cpu',
    webgpu:
      'a GPU with a Vulkan, Metal or Direct3D 12 driver is needed (on Linux the Vulkan loader too: Debian and Ubuntu call them libvulkan1 and mesa-vulkan-drivers); or use --device cpu',
  };
  const said = cause instanceof Error ? cause.message : String(cause);
  const known = device.name === 'cuda' ? cudaTrouble(said) : undefined;
  const others = known?.taken ? othersOnGpu() : undefined;
  return new ParaError('device', `The device "${device.name}" is not available here`, {
    where: `${known?.what ?? withoutPlace(said)}${others ? `; on it: ${others}` : ''}`,
    hint: known?.hint ?? hints[device.name],
    cause,
  });
}
