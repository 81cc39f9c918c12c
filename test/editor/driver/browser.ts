import { type Browser, chromium, type Page } from 'playwright-core';
import { chromiumPath } from './requirements.ts';

/** Size of every window, and so of every picture taken of it. */
export const windowSize = { width: 1280, height: 800 };

/** A browser without a network of its own; root, as whom tests may run, has to leave the sandbox. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: chromiumPath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--font-render-hinting=none',
    ],
  });
}

/** A window in a profile of its own, which is allowed to use the clipboard as a desktop editor is. */
export async function newWindow(browser: Browser, origin: string): Promise<Page> {
  const context = await browser.newContext({
    viewport: windowSize,
    deviceScaleFactor: 1,
    reducedMotion: 'reduce',
    locale: 'en-US',
    timezoneId: 'UTC',
  });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
  context.setDefaultTimeout(30_000);
  return context.newPage();
}
