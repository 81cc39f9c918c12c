// Lays out the files of a package.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { filesBelow } from '../host-package.mjs';
import { root } from '../install.mjs';
import { packageFolder } from './fetch.mjs';
import { translateSchemas } from './translations.mjs';

/** What only this repository needs to know of itself. */
const ownAffairs = ['private', 'workspaces', 'scripts', 'devDependencies', 'dependencies'];

/** JavaScript packages with or beside native code, which no bundle can hold; `keep`: what runs of them. */
const besideNative = {
  'onnxruntime-node': /^(package\.json|dist\/.*\.js)$/,
  'onnxruntime-common': /^(package\.json|dist\/cjs\/([^/]+\.js|package\.json))$/,
  sharp: /^(package\.json|LICENSE|dist\/.*\.[cm]js)$/,
  '@img/colour': /^(package\.json|LICENSE.*|.*\.cjs)$/,
  'detect-libc': /^(package\.json|LICENSE|lib\/.*\.js)$/,
  semver: /^(package\.json|LICENSE|(classes|functions|internal|ranges)\/.*\.js|index\.js)$/,
};
/** Headers for programs that are compiled are of no use in a package. */
const imageParts =
  /^(package\.json|LICENSE|versions\.json|index\.cjs|lib\/(index\.js|[^/]+\.(node|dylib|dll)|[^/]+\.so\..*))$/;

/** Fills an empty folder with the files of a target's package. */
export async function stage(target, folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const copy = (from, to, keep = () => true) => copyTree(join(root, from), join(folder, to), keep);
  writeManifest(folder);
  const whole = ['package.nls.json', 'README.md', 'CHANGELOG.md', 'LICENSE', 'media', 'l10n', 'dist'];
  for (const name of [...whole, 'syntaxes', 'snippets'])
    copy(name, name, (path) => !path.endsWith('.map') && !path.startsWith('vsix'));
  for (const file of linkedFrom('README.md')) copy(file, file);
  copy('schemas/para.schema.json', 'schemas/para.schema.json');
  for (const name of readdirSync(root)) if (/^package\.nls\..+\.json$/.test(name)) copy(name, name);
  translateSchemas(folder);
  copy('examples/dog', 'examples/dog');
  const left = target.runtime ? /^(agent\/|setup\.js$|bases-)/ : /^(agent\/|setup\.js$)/;
  copy('remote-agent/dist/host', 'remote-agent/dist/host', (path) => !left.test(path));
  if (target.runtime) await stageAgent(target, copy, join(folder, 'remote-agent/node_modules'));
}

/**
 * Pages and pictures of the documentation that a page leads to, over other pages too.
 * @param page path in the repository
 * @returns such paths
 * @throws Error for a link to what is not there
 */
function linkedFrom(page, found = new Set()) {
  for (const [, link] of readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)) {
    const file = posix.join(posix.dirname(page), link);
    if (!existsSync(join(root, file))) throw new Error(`${page} leads to ${file}, which is not there`);
    if (found.has(file) || !file.startsWith('docs/')) continue;
    found.add(file);
    if (file.endsWith('.md')) linkedFrom(file, found);
  }
  return found;
}

/** The agent of the machine itself: the programs that hosts get, with what they need beside them. */
async function stageAgent({ runtime, images }, copy, modules) {
  copy('remote-agent/dist/host/agent/package.json', 'remote-agent/package.json');
  copy('remote-agent/dist/host/agent/dist', 'remote-agent/dist', (path) => path !== 'probe.js');
  copy('remote-agent/bases', 'remote-agent/bases');
  copy('remote-agent/templates', 'remote-agent/templates');
  for (const [name, keep] of Object.entries(besideNative))
    copyTree(await packageFolder(name), join(modules, name), (path) => keep.test(path));
  for (const name of images)
    copyTree(await packageFolder(name), join(modules, name), (path) => imageParts.test(path));
  for (const file of runtime.files) {
    const path = join(runtime.folder, file);
    copyTree(join(await packageFolder('onnxruntime-node'), path), join(modules, 'onnxruntime-node', path));
  }
}

function writeManifest(folder) {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const key of ownAffairs) delete manifest[key];
  manifest.engines = { vscode: manifest.engines.vscode };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Copies a file, or of a folder the files whose relative paths are kept; what does not exist is left out. */
function copyTree(from, to, keep = () => true) {
  if (!existsSync(from)) return;
  const paths = statSync(from).isFile() ? [''] : filesBelow(from).filter(keep);
  for (const path of paths) {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    copyFileSync(join(from, path), join(to, path));
  }
}
