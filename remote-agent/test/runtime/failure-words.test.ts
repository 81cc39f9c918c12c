import { describe, expect, it } from 'vitest';
import { failureOf } from '../../src/runtime/failure-words.ts';

const arena =
  "Non-zero status code returned while running Mul node. Name:'d/Mul_176' Status Message: /onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:360 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool, onnxruntime::Stream*) Failed to allocate memory for requested buffer of size 8388608";

describe('a failure of the runtime', () => {
  it('is told as a full memory, with what was asked for and by whom', () => {
    expect(failureOf(arena)).toEqual({ kind: 'memory', asked: 8388608, node: 'Mul d/Mul_176' });
  });

  it.each([
    'CUDA failure 2: out of memory ; GPU=0 ; hostname=h ; expr=cudaMalloc((void**)&p, size);',
    'CUDA error cudaErrorMemoryAllocation:out of memory',
    'CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0',
    'CUDNN failure 4002: CUDNN_STATUS_ALLOC_FAILED',
    'vkAllocateMemory failed with VK_ERROR_OUT_OF_DEVICE_MEMORY',
    'std::bad_alloc',
    'Array buffer allocation failed',
  ])('is told as a full memory: %s', (said) => {
    expect(failureOf(said)).toMatchObject({ kind: 'memory' });
  });

  it.each([
    ['CUDA failure 700: an illegal memory access was encountered ; GPU=0', '700'],
    ['CUDA failure 710: device-side assert triggered', '710'],
    ['CUDA failure 719: unspecified launch failure ; GPU=0', '719'],
    ['CUDA failure 999: unknown error ; GPU=0', '999'],
    ['CUDA failure 214: uncorrectable ECC error encountered', 'ECC'],
    ['NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus', 'Xid'],
    ['[Device] is lost. Device was lost', 'reset'],
  ])('is told as a lost device: %s', (said, word) => {
    expect(failureOf(said)).toMatchObject({ kind: 'device', what: expect.stringContaining(word) });
  });

  it.each([
    'Could not find an implementation for Foo(1) node',
    'Non-zero status code returned while running Reshape node: size must be divisible',
    'CUDA failure 209: no kernel image is available',
  ])('of another kind is left to others: %s', (said) => {
    expect(failureOf(said)).toBeUndefined();
  });
});
