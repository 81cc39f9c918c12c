/** Why CUDA did not start, and what to do. */
export interface CudaTrouble {
  readonly what: string;
  readonly hint: string;
  /** What else computes on the GPU may be why. */
  readonly taken?: true;
}

const install =
  'install the NVIDIA driver, 525 or newer (better 580); in a container: start it with GPU access';

/** What ONNX Runtime, CUDA and the loader say, by the words that stay the same; the first that fits is told. */
const table: readonly [RegExp, (found: RegExpExecArray) => CudaTrouble][] = [
  [
    /libcuda\.so\.1: cannot open shared object/,
    () => ({ what: 'there is no NVIDIA driver here (libcuda.so.1)', hint: install }),
  ],
  [
    /(lib[\w.+-]+\.so[.\d]*): cannot open shared object/,
    ([, library]) => ({
      what: `a library of CUDA is missing: ${library}`,
      hint: 'on a host: "para host install" again; here: have CUDA and cuDNN 9 on LD_LIBRARY_PATH',
    }),
  ],
  [
    /CUDA failure 35\b|driver version is insufficient/,
    () => ({
      what: 'the NVIDIA driver is too old for this CUDA (failure 35)',
      hint: 'CUDA 13 needs the driver 580, CUDA 12 needs 525; on a host: "para host install" again chooses by the driver',
    }),
  ],
  [
    /CUDA failure 100\b|no CUDA-capable device/,
    () => ({
      what: 'the NVIDIA driver sees no GPU (failure 100)',
      hint: 'see what nvidia-smi prints; in a container: start it with GPU access; is CUDA_VISIBLE_DEVICES set?',
    }),
  ],
  [
    /CUDA failure 209\b|no kernel image/,
    () => ({
      what: 'this GPU is too old for the CUDA provider (failure 209)',
      hint: 'compute capability 7.5 or newer is needed (Turing, 2018); or use --device cpu',
    }),
  ],
  [
    /CUDA failure 2\b|out of memory/,
    () => ({
      what: 'the memory of the GPU is full (failure 2)',
      hint: 'end what else runs on it, see nvidia-smi',
      taken: true,
    }),
  ],
  [
    /CUDA failure 46\b|busy or unavailable/,
    () => ({
      what: 'the GPU is taken (failure 46)',
      hint: 'it lets one program compute at a time: end the other, see nvidia-smi, or wait for it',
      taken: true,
    }),
  ],
  [
    /CUDA failure (80[234])\b/,
    ([, code]) => ({
      what: `the driver of the GPU is not ready (failure ${code})`,
      hint: 'after an update of the driver: reboot; on machines with NVSwitch: start nvidia-fabricmanager',
    }),
  ],
  [
    /Failed to load shared library/,
    () => ({
      what: "ONNX Runtime's CUDA provider does not load",
      hint: `is there a driver, and CUDA? ${install}`,
    }),
  ],
];

/** Says in words why CUDA did not start; `undefined` where the text is none that is known. */
export function cudaTrouble(said: string): CudaTrouble | undefined {
  for (const [pattern, words] of table) {
    const found = pattern.exec(said);
    if (found) return words(found);
  }
  return undefined;
}
