// Stands in for the desktop editor's program where tests are run by `@vscode/test-electron`: takes its arguments,
// starts the VS Code of the test host with a window in a browser, runs the tests there and ends with their code.
import { launchBrowser, newWindow } from '../driver/browser.ts';
import { EditorServer } from '../driver/server.ts';

const option = (name: string): string | undefined =>
  process.argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3);
const folder = process.argv.slice(2).find((word) => word.startsWith('/'));
const [development, tests] = ['extensionDevelopmentPath', 'extensionTestsPath'].map(option);
if (!development || !tests)
  throw new Error('usage: --extensionDevelopmentPath=PATH --extensionTestsPath=PATH');

const server = await EditorServer.start({ runsTests: true });
const browser = await launchBrowser();
try {
  const page = await newWindow(browser, server.url);
  const onServer = (path: string) => `vscode-remote://127.0.0.1:${server.port}${path}`;
  const payload = [
    ['extensionDevelopmentPath', onServer(development)],
    ['extensionTestsPath', onServer(tests)],
    ['skipWelcome', 'true'],
  ];
  const code = new Promise<number>((resolve) => {
    void page.exposeFunction('codeAutomationLog', (_type: string, words: unknown[]) => console.log(...words));
    void page.exposeFunction('codeAutomationExit', (exit: number) => resolve(exit));
    page.on('crash', () => resolve(1));
  });
  const query = `payload=${encodeURIComponent(JSON.stringify(payload))}`;
  await page.goto(`${server.url}/?${folder ? `folder=${encodeURIComponent(folder)}&` : 'ew=true&'}${query}`);
  process.exitCode = await code;
} finally {
  await browser.close();
  await server.stop();
}
