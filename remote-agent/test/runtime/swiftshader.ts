// WebGPU without a GPU: SwiftShader, a Vulkan driver in software, as Debian's `chromium` brings it.
import { existsSync } from 'node:fs';

const folder = '/usr/lib/chromium';
const driver = `${folder}/vk_swiftshader_icd.json`;

/** Why WebGPU cannot be tried here; `undefined` where it can. Under CI it is never excused. */
export const noSwiftShader =
  process.platform !== 'linux'
    ? 'SwiftShader is tried on Linux alone'
    : existsSync(driver)
      ? undefined
      : 'chromium, which brings SwiftShader, is not installed';

/** Environment of a process that is to find SwiftShader and the Vulkan loader beside it, and no other driver. */
export const swiftShader = {
  ...process.env,
  VK_DRIVER_FILES: driver,
  LD_LIBRARY_PATH: [folder, process.env.LD_LIBRARY_PATH ?? ''].filter(Boolean).join(':'),
};
