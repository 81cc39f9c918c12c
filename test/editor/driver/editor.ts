// A window of a real VS Code, driven by mouse and keyboard alone.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import sharp from 'sharp';
import { launchBrowser, newWindow, windowSize } from './browser.ts';
import { QuickInput } from './input.ts';
import { Dialogs, Notices } from './messages.ts';
import { checkout } from './requirements.ts';
import { EditorServer, type ServerOptions } from './server.ts';
import { TextEditor } from './text.ts';
import { Views } from './views.ts';
import { Webviews } from './webviews.ts';

export interface EditorOptions extends ServerOptions {
  /** Folder to open; none: an empty window. */
  readonly workspace?: string;
}

/**
 * Puts the window's own parts where they belong: whoever clicks something at its edge by program has it scrolled into
 * sight, which no person could do.
 */
function scrollBack(): void {
  for (const part of document.querySelectorAll(
    'html, body, .monaco-workbench, .monaco-workbench .monaco-grid-view, .monaco-workbench .monaco-grid-branch-node, .monaco-workbench .split-view-container, .monaco-workbench .split-view-view',
  ))
    part.scrollTo(0, 0);
}

/** Where pictures go: into the documentation when they are to be kept, else beside other results of tests. */
const kept = join(checkout, 'docs/screens');
const passing = join(checkout, '.cache/screens');

export class Editor {
  readonly input: QuickInput;
  readonly notices: Notices;
  readonly dialogs: Dialogs;
  readonly views: Views;
  readonly text: TextEditor;
  readonly webviews: Webviews;

  private constructor(
    readonly server: EditorServer,
    readonly browser: Browser,
    readonly page: Page,
  ) {
    this.input = new QuickInput(page);
    this.notices = new Notices(page, this.input);
    this.dialogs = new Dialogs(page);
    this.views = new Views(page, this.input);
    this.text = new TextEditor(page, this.input);
    this.webviews = new Webviews(page);
  }

  /** Starts a VS Code of its own and opens a window. */
  static async start(options: EditorOptions = {}): Promise<Editor> {
    const server = await EditorServer.start(options);
    let browser: Browser | undefined;
    try {
      browser = await launchBrowser();
      const editor = new Editor(server, browser, await newWindow(browser, server.url));
      await editor.open(options.workspace);
      return editor;
    } catch (cause) {
      await browser?.close();
      await server.stop();
      throw cause;
    }
  }

  /** Opens a folder, or an empty window. */
  async open(folder?: string): Promise<void> {
    const query = folder ? `folder=${encodeURIComponent(folder)}` : 'ew=true';
    await this.page.goto(`${this.server.url}/?${query}`);
    await this.ready();
  }

  /** Loads the window again, as F5 in the browser or "Developer: Reload Window" does. */
  async reload(): Promise<void> {
    await this.page.reload();
    await this.ready();
  }

  /** Loads the window again by the editor's command, which first keeps where its views look; a browser's own may not. */
  async reloadByCommand(): Promise<void> {
    const loaded = this.page.waitForEvent('load');
    await this.input.run('Developer: Reload Window');
    await loaded;
    await this.ready();
  }

  /** A second window of the same editor. */
  async secondWindow(folder?: string): Promise<Editor> {
    const second = new Editor(this.server, this.browser, await this.page.context().newPage());
    await second.open(folder);
    return second;
  }

  /** Waits until the window takes orders. */
  async ready(): Promise<void> {
    await this.page.locator('.monaco-workbench .part.statusbar .statusbar-item').first().waitFor();
    await this.page.locator('.monaco-workbench .part.editor').waitFor();
  }

  /** An entry of the status bar that says this. */
  status(text: string | RegExp): Locator {
    return this.page.locator('.part.statusbar .statusbar-item', { hasText: text }).first();
  }

  /** Changes the colours, as the palette does: a theme by its name there ("Light Modern"). */
  async theme(name: string): Promise<void> {
    await this.input.run('Preferences: Color Theme');
    await this.input.fill(name);
    await this.input.pick(name);
    await this.input.closed();
    const isLight = name.includes('Light');
    const kind = name.includes('High Contrast')
      ? isLight
        ? 'hc-light'
        : 'hc-black'
      : isLight
        ? 'vs'
        : 'vs-dark';
    await this.page.locator(`.monaco-workbench.${kind}`).waitFor();
  }

  /** Waits until nothing in the window shows that it is still at work by itself, with the mouse out of the way. */
  async settled(): Promise<void> {
    await this.page.mouse.move(640, 795);
    await this.status('Activating Extensions').waitFor({ state: 'hidden' });
    await this.page
      .locator('.sidebar .monaco-progress-container.active')
      .first()
      .waitFor({ state: 'hidden' });
  }

  /**
   * Takes a picture of the window; returns its path. Kept pictures are small: they are of few colours.
   * @param height of a window that is taller for it, in pixels
   */
  async screen(name: string, height = windowSize.height): Promise<string> {
    if (height !== windowSize.height) {
      await this.page.setViewportSize({ ...windowSize, height });
      await this.settled();
    }
    await this.page.evaluate(scrollBack);
    const keep = process.env.KEEP_SCREENS && !/^(driver|failed)\//.test(name);
    const path = join(keep ? kept : passing, `${name}.png`);
    mkdirSync(dirname(path), { recursive: true });
    const picture = await this.page.screenshot({ animations: 'disabled', caret: 'hide' });
    await this.page.setViewportSize(windowSize);
    writeFileSync(path, keep ? await sharp(picture).png({ palette: true, effort: 10 }).toBuffer() : picture);
    return path;
  }

  /** Closes the window and the editor, and leaves nothing behind. */
  async stop(): Promise<void> {
    await this.browser.close();
    await this.server.stop();
  }
}
