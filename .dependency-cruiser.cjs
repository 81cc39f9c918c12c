// Which room may import which: an arrow only to rooms further up this list (docs/architecture.md).
const rooms = [
  'protocol',
  'common',
  'subject',
  'onnx',
  'autodiff',
  'adapters',
  'runtime',
  'diffusion',
  'dataset',
  'training',
  'jobs',
  'hub',
  'server',
  'hosts',
  'cli',
];
const src = '^remote-agent/src/';

const onlyUpwards = rooms.map((room, index) => ({
  name: `${room}-imports-only-rooms-above`,
  severity: 'error',
  from: { path: `${src}${room}/` },
  to: { path: `${src}(${rooms.slice(index + 1).join('|') || 'no-room-below'})/` },
}));

const soleImporters = [
  ['protobuf-only-in-onnx', 'onnx', '@bufbuild/protobuf'],
  ['onnxruntime-only-in-runtime', 'runtime', 'onnxruntime-(node|common)'],
  ['image-library-only-in-dataset', 'dataset', 'sharp'],
  ['rpc-library-only-in-protocol', 'protocol', 'vscode-jsonrpc'],
  ['ssh-library-only-in-hosts', 'hosts', '(ssh2|ssh-config)'],
  ['cli-library-only-in-cli', 'cli', '(commander|cli-progress)'],
].map(([name, room, library]) => ({
  name,
  severity: 'error',
  from: { path: src, pathNot: `${src}${room}/` },
  to: { path: `node_modules/${library}` },
}));

module.exports = {
  forbidden: [
    ...onlyUpwards,
    ...soleImporters,
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'] },
  },
};
