/** Why a session failed, where the runtime's words tell it. */
export type Failure =
  | {
      readonly kind: 'memory';
      /** Bytes of the piece that was not to be had, where that is told. */
      readonly asked?: number;
      /** The operator that asked for it. */
      readonly node?: string;
    }
  | { readonly kind: 'device'; readonly what: string };

const outOfMemory = [
  // The runtime's arena, on every device.
  /Failed to allocate memory for requested buffer of size (\d+)/,
  /Available memory of (?:\d+) is smaller than requested bytes of (\d+)/,
  // CUDA, cuBLAS and cuDNN.
  /CUDA (?:failure|error)[: ]+2\b|cudaErrorMemoryAllocation|CUDA_ERROR_OUT_OF_MEMORY|(?:CUBLAS|CUDNN)_STATUS_ALLOC_FAILED/,
  /CUDA[^\n]*out of memory|out of memory[^\n]*CUDA/i,
  // Dawn's Vulkan, Direct3D and Metal.
  /VK_ERROR_OUT_OF_(?:DEVICE|HOST)_MEMORY|E_OUTOFMEMORY|Device::?.*out of memory/i,
  // The C++ library and Node itself.
  /std::bad_alloc|bad allocation|Array buffer allocation failed|Cannot allocate memory/,
];

/** Failures after which a CUDA context is of no use any more, whatever is asked of it. */
const lost: readonly [RegExp, string][] = [
  [
    /CUDA (?:failure|error)[: ]+700\b|illegal memory access/,
    'an operator read memory that is not its own (700)',
  ],
  [/CUDA (?:failure|error)[: ]+710\b|device-side assert/, 'a check within an operator failed (710)'],
  [
    /CUDA (?:failure|error)[: ]+719\b|unspecified launch failure/,
    'an operator did not end as it should (719)',
  ],
  [
    /CUDA (?:failure|error)[: ]+(?:702)\b|launch timed out/,
    'the driver ended an operator that took too long (702)',
  ],
  [
    /CUDA (?:failure|error)[: ]+(?:214|220)\b|uncorrectable (?:ECC|NVLink) error/,
    'its memory or link is faulty (ECC)',
  ],
  [/fallen off the bus|\bXid\b/, 'the driver lost it (Xid)'],
  [/CUDA (?:failure|error)[: ]+999\b|cudaErrorUnknown/, 'its driver failed for an unknown reason (999)'],
  [/device (?:was|is) lost|DXGI_ERROR_DEVICE_(?:REMOVED|HUNG)|VK_ERROR_DEVICE_LOST/i, 'its driver reset it'],
];

/** What the runtime's words mean, where they speak of memory or of a device that is lost; `undefined` otherwise. */
export function failureOf(said: string): Failure | undefined {
  for (const [pattern, what] of lost) if (pattern.test(said)) return { kind: 'device', what };
  const node = /while running (\w+) node\. Name:'([^']*)'/.exec(said);
  for (const pattern of outOfMemory) {
    const found = pattern.exec(said);
    if (!found) continue;
    return {
      kind: 'memory',
      ...(found[1] ? { asked: Number(found[1]) } : {}),
      ...(node ? { node: `${node[1]} ${node[2]}` } : {}),
    };
  }
  return undefined;
}
