// What may lie in a package, and nothing else.
import { agentPrograms } from '../bundle.mjs';

/** Patterns of paths; of each there is at least one file, so that no pattern outlives what it was for. */
const everywhere = [
  'package.json',
  'package.nls.json',
  'README.md',
  'CHANGELOG.md',
  'LICENSE',
  'docs/*.{md,png,svg}',
  'dist/extension.cjs',
  'dist/parts/*.js',
  'media/**/*.{png,svg,md}',
  'schemas/para.schema.json',
  'syntaxes/*.tmLanguage.json',
  'syntaxes/*.language-configuration.json',
  'snippets/*.json',
  'examples/dog/**/*.{png,txt,prompts,para.json}',
  'remote-agent/dist/host/{manifest,host-lock}.json',
  'remote-agent/dist/host/agent-*.tgz',
  'remote-agent/dist/host/setup-*.mjs',
];
/** Of these there may be none. */
const perhaps = [
  'docs/screens/**/*.png',
  'dist/views/*.{js,css}',
  'dist/views/*.ttf',
  'l10n/*.json',
  'package.nls.*.json',
  'schemas/para.schema.*.json',
];

/** Bases for hosts, where they are not there as they are for the machine itself. */
const packedBases = 'remote-agent/dist/host/bases-*.tar';
const bases = 'remote-agent/bases/pocket-sdxl/**/*.{json,txt,onnx,md,model,data}';
const modules = 'remote-agent/node_modules';
const localAgent = ({ runtime, images }) => [
  'remote-agent/package.json',
  `remote-agent/dist/{${Object.keys(agentPrograms).join(',')}}.js`,
  bases,
  'remote-agent/templates/{README.md,clip-merges.txt.gz,*.onnx.gz}',
  ...runtime.files.map((file) => `${modules}/onnxruntime-node/${runtime.folder}/${file}`),
  `${modules}/onnxruntime-node/{package.json,dist/*.js}`,
  `${modules}/onnxruntime-common/package.json`,
  `${modules}/onnxruntime-common/dist/cjs/{package.json,*.js}`,
  `${modules}/sharp/{package.json,LICENSE,dist/*.cjs,dist/*.mjs}`,
  `${modules}/@img/colour/{package.json,LICENSE.md,*.cjs}`,
  `${modules}/detect-libc/{package.json,LICENSE,lib/*.js}`,
  `${modules}/semver/{package.json,LICENSE,*.js}`,
  `${modules}/semver/{classes,functions,internal,ranges}/*.js`,
  ...images.flatMap((name) => [
    `${modules}/${name}/{package.json,LICENSE,versions.json,index.cjs}`,
    `${modules}/${name}/lib/{index.js,*.node,*.so.*,*.dylib,*.dll}`,
  ]),
];

/** Files that a manifest names, wherever in it: the editor passes over one that is not there without a word. */
function namedIn(value) {
  if (typeof value === 'string')
    return /^(\.\/|media\/).*\.\w+$/.test(value) ? [value.replace('./', '')] : [];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(namedIn) : [];
}

/**
 * Holds the files of a package against what may lie in it, and what its manifest names.
 * @throws Error naming what is there and should not be, and what is missing
 */
export async function checkContents(target, paths, manifest) {
  const { default: picomatch } = await import('picomatch');
  const needed = [...everywhere, ...(target.runtime ? localAgent(target) : [packedBases])];
  const allowed = picomatch([...needed, ...perhaps], { dot: true });
  const extra = paths.filter((path) => !allowed(path));
  const missing = needed.filter((pattern) => {
    const matches = picomatch(pattern, { dot: true });
    return !paths.some((path) => matches(path));
  });
  missing.push(...namedIn(manifest).filter((path) => !paths.includes(path)));
  if (extra.length + missing.length > 0)
    throw new Error(
      [
        `The package for ${target.id} is not what it should be.`,
        ...extra.map((path) => `  should not be in it: ${path}`),
        ...missing.map((pattern) => `  is missing: ${pattern}`),
      ].join('\n'),
    );
}
