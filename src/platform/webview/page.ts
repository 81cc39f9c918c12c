import { randomBytes } from 'node:crypto';
import { env, l10n, Uri, type Webview } from 'vscode';

/** Views of the extension: `dist/views/NAME.js` and `.css`. */
export type ViewName = 'run' | 'compare' | 'subject';

/** What a tab of a view wears: `media/NAME-light.svg` and `-dark.svg`. */
export function tabIcon(extensionUri: Uri, name: 'run' | 'compare'): { light: Uri; dark: Uri } {
  const icon = (shade: string) => Uri.joinPath(extensionUri, 'media', `${name}-${shade}.svg`);
  return { light: icon('light'), dark: icon('dark') };
}

/** Folder of the bundled views. */
export const viewsFolder = (extensionUri: Uri): Uri => Uri.joinPath(extensionUri, 'dist', 'views');

const escaped = (text: string) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/**
 * The page of a view. Nothing runs or loads in it but its own script and style, and pictures of the folders that the
 * panel names as its resource roots.
 */
export function page(webview: Webview, extensionUri: Uri, view: ViewName, title: string): string {
  const nonce = randomBytes(16).toString('base64');
  const file = (name: string) => webview.asWebviewUri(Uri.joinPath(viewsFolder(extensionUri), name));
  const source = webview.cspSource;
  const policy = [
    "default-src 'none'",
    `img-src ${source} blob: data:`,
    `style-src ${source} 'nonce-${nonce}'`,
    `font-src ${source}`,
    `script-src 'nonce-${nonce}'`,
  ].join('; ');
  const texts = JSON.stringify(l10n.bundle ?? {}).replaceAll('<', '\\u003c');
  return `<!DOCTYPE html>
<html lang="${escaped(env.language)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta property="csp-nonce" content="${nonce}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<link rel="stylesheet" href="${file(`${view}.css`)}">
</head>
<body>
<main id="root"></main>
<script type="application/json" id="l10n" nonce="${nonce}">${texts}</script>
<script type="module" nonce="${nonce}" src="${file(`${view}.js`)}"></script>
</body>
</html>`;
}
