import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Frame, Page } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** A violation that keeps somebody from using a view. */
export interface Violation {
  readonly rule: string;
  readonly impact: string;
  readonly help: string;
  readonly elements: readonly string[];
}

/** Panels that an extension draws itself. */
export class Webviews {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  /** The page of the webview in front, when it has loaded; `kind`: an editor (default) or a view of the sidebar. */
  async frame(kind: 'editor' | 'view' = 'editor'): Promise<Frame> {
    const purpose = kind === 'view' ? '[src*="purpose=webviewView"]' : ':not([src*="purpose=webviewView"])';
    const outer = this.#page.locator(`iframe.webview.ready${purpose}:visible`);
    await outer.waitFor();
    // What was in front may give way to another while it loads.
    for (let tries = 0; ; tries++) {
      const frame = await (await outer.elementHandle())?.contentFrame();
      const inner = frame?.locator('iframe#active-frame');
      await inner?.waitFor();
      const active = await (await inner?.elementHandle())?.contentFrame();
      if (active) {
        await active.waitForLoadState();
        return active;
      }
      if (tries === 20) throw new Error('The webview was closed while it loaded');
      await this.#page.waitForTimeout(100);
    }
  }

  /** Serious and critical violations that axe-core finds in a webview. */
  async violations(frame: Frame): Promise<Violation[]> {
    await frame.evaluate(axe);
    const found = await frame.evaluate(async () => {
      // A webview is transparent: what shines through is outside of what axe-core looks at.
      document.documentElement.style.background ||= 'var(--vscode-editor-background)';
      const { axe } = window as unknown as { axe: typeof import('axe-core') };
      const { violations } = await axe.run(document, { resultTypes: ['violations'] });
      return violations.map(({ id, impact, help, nodes }) => ({
        rule: id,
        impact: String(impact),
        help,
        elements: nodes.map((node) => node.html),
      }));
    });
    return found.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  }
}
