// A window of a real VS Code, driven by mouse and keyboard alone.
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { launchBrowser, newWindow } from './browser.ts';
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

/** Where pictures go: into the documentation when they are to be kept, else beside other results of tests. */
const screens = join(checkout, process.env.KEEP_SCREENS ? 'docs/screens' : '.cache/screens');

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
    this.notices = new Notices(page);
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

  /** Changes the colours: a theme by its id. */
  async theme(id: string): Promise<void> {
    this.server.set({ 'workbench.colorTheme': id });
    const kind = id.includes('High Contrast') ? 'hc-' : id.includes('Light') ? 'vs' : 'vs-dark';
    await this.page.locator(`.monaco-workbench[class*=" ${kind}"]`).waitFor();
  }

  /** Waits until nothing in the window shows that it is still at work by itself. */
  async settled(): Promise<void> {
    await this.status('Activating Extensions').waitFor({ state: 'hidden' });
    await this.page
      .locator('.sidebar .monaco-progress-container.active')
      .first()
      .waitFor({ state: 'hidden' });
  }

  /** Takes a picture of the window; returns its path. */
  async screen(name: string): Promise<string> {
    const path = join(screens, `${name}.png`);
    mkdirSync(dirname(path), { recursive: true });
    await this.page.screenshot({ path, animations: 'disabled', caret: 'hide' });
    return path;
  }

  /** Closes the window and the editor, and leaves nothing behind. */
  async stop(): Promise<void> {
    await this.browser.close();
    await this.server.stop();
  }
}
