import { ParaError } from '../common/errors.ts';
import { isBaseFile } from '../protocol/names.ts';

const parts = new Set(['unet', 'text_encoder', 'text_encoder_2', 'vae_encoder', 'vae_decoder', 'vae']);
const described = new Set(['tokenizer', 'tokenizer_2', 'scheduler']);

/** Weights of other tools and pictures, which lie beside the exported models in many repositories. */
const foreign =
  /\.(safetensors|bin|pt|pth|ckpt|msgpack|h5|tflite|xml|mlpackage|mlmodel|png|jpe?g|gif|webp|py|zip|gz)$/i;

/** Whether a base needs this file, named relative to its folder. */
function needed(path: string): boolean {
  if (!isBaseFile(path)) return false;
  const [folder, file] = path.split('/') as [string, string | undefined];
  if (file === undefined) return folder === 'model_index.json';
  if (described.has(folder)) return /\.(json|txt)$/.test(file);
  if (!parts.has(folder)) return false;
  if (file.endsWith('.json')) return true;
  // Other precisions of the same part (model_fp16.onnx and its data) are not read.
  if (/\.onnx/.test(file)) return file.startsWith('model.onnx');
  // Exporters write weights beside the model under the names of their tensors, without an ending of their own.
  return !foreign.test(file) && !/\.(md|gitattributes)$/.test(file);
}

/**
 * The files of a base among all files of a repository or archive.
 * @returns where each lies there, by its place in the base's folder
 * @throws ParaError `base` where there is none, or more than one
 */
export function baseFilesIn(all: readonly string[], where: string): Map<string, string> {
  const roots = all.filter((path) => /(^|\/)unet\/model\.onnx$/.test(path));
  if (roots.length !== 1)
    throw new ParaError(
      'base',
      roots.length === 0 ? 'There is no base exported for ONNX' : 'There is more than one base',
      {
        where: roots.length === 0 ? where : `${where}: ${roots.slice(0, 5).join(', ')}`,
        hint: 'a base is a folder with unet/model.onnx, text_encoder/model.onnx and so on, as exporters write them',
      },
    );
  const root = roots[0]!.slice(0, -'unet/model.onnx'.length);
  const inside = all.filter((path) => path.startsWith(root)).map((path) => path.slice(root.length));
  return new Map(inside.filter(needed).map((path) => [path, root + path]));
}
