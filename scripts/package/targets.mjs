// Machines that a package is made for: those that the runtime has binaries for.

/** Libraries that the runtime's binding loads, of what lies beside it. */
const linux = ['onnxruntime_binding.node', 'libonnxruntime.so.1'];
const windows = ['onnxruntime_binding.node', 'onnxruntime.dll', 'DirectML.dll', 'dxcompiler.dll', 'dxil.dll'];

/**
 * `id`: the marketplace's name; `runtime`: folder and files of onnxruntime-node; `images`: packages with sharp's
 * native parts. On Windows they hold libvips as well.
 */
const target = (id, files, ...images) => ({
  id,
  runtime: { folder: `bin/napi-v6/${id.replace('-', '/')}`, files },
  images,
});

export const targets = [
  target('linux-x64', linux, '@img/sharp-linux-x64', '@img/sharp-libvips-linux-x64'),
  target('linux-arm64', linux, '@img/sharp-linux-arm64', '@img/sharp-libvips-linux-arm64'),
  target(
    'darwin-arm64',
    // The library lies there under two names; the binding asks for this one.
    ['onnxruntime_binding.node', 'libonnxruntime.1.dylib'],
    '@img/sharp-darwin-arm64',
    '@img/sharp-libvips-darwin-arm64',
  ),
  target('win32-x64', windows, '@img/sharp-win32-x64'),
  target('win32-arm64', windows, '@img/sharp-win32-arm64'),
  // Everywhere else: no agent for the machine itself, but hosts.
  { id: 'universal' },
];
