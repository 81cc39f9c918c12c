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
  ['http-library-only-in-common', 'common', 'undici'],
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

// The extension composes: its rooms know each other only in this order, and never the doors of the agent. Views know
// their contracts and nothing of the extension. The toolkit of view elements is known to one folder.
const parts = ['platform', 'hosts', 'runs', 'adapters', 'prompt', 'subject', 'compare', 'tools'];
const editor = [
  ...parts.map((room, index) => ({
    name: `${room}-of-the-extension-imports-only-rooms-before-it`,
    severity: 'error',
    from: { path: `^src/${room}/` },
    to: { path: `^src/(${[...parts.slice(index + 1), 'extension\\.ts'].join('|')})` },
  })),
  {
    name: 'extension-leaves-the-work-to-the-agent',
    severity: 'error',
    from: { path: '^src/' },
    to: {
      path: `${src}(onnx|autodiff|runtime|training/(?!events)|server|hub|cli)/`,
      dependencyTypesNot: ['type-only'],
    },
  },
  {
    name: 'views-know-only-their-contract',
    severity: 'error',
    from: { path: '^webview/' },
    to: { path: '^(src|remote-agent)/' },
  },
  {
    name: 'view-toolkit-only-in-ui',
    severity: 'error',
    from: { path: '^(webview|src)/', pathNot: '^webview/ui/' },
    to: { path: 'node_modules/@vscode/webview-ui-toolkit' },
  },
  {
    name: 'editor-api-only-in-the-extension',
    severity: 'error',
    from: { path: '^(webview|remote-agent)/' },
    to: { path: '^vscode$' },
  },
];

module.exports = {
  forbidden: [
    ...onlyUpwards,
    ...soleImporters,
    ...editor,
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'] },
  },
};
