import type { Locator, Page } from 'playwright-core';
import { escaped, plain, type QuickInput } from './input.ts';

/** The text editor that is in front. */
export class TextEditor {
  readonly #page: Page;
  readonly #input: QuickInput;

  constructor(page: Page, input: QuickInput) {
    this.#page = page;
    this.#input = input;
  }

  get #editor(): Locator {
    return this.#page.locator('.editor-group-container.active .editor-instance:visible').first();
  }

  /** Opens a file of the folder by its path there. */
  async open(path: string): Promise<void> {
    const name = path.split('/').at(-1)!;
    for (let tries = 1; ; tries++) {
      await this.#page.keyboard.press('Control+P');
      await this.#input.fill(path);
      await this.#input.pick(name);
      await this.#input.closed();
      try {
        await this.tab(name).waitFor({ timeout: 10_000 });
        return;
      } catch (cause) {
        // The list is sorted anew while it is searched: another row may have come under the mouse.
        if (tries === 3) throw cause;
      }
    }
  }

  /** The tab in front, which carries this name. */
  tab(name: string | RegExp): Locator {
    const own = typeof name === 'string' ? new RegExp(`^${escaped(name)}(,|$)`) : name;
    return this.#page
      .locator('.editor-group-container.active')
      .getByRole('tab', { name: own, selected: true });
  }

  /** Lines in sight. */
  async lines(): Promise<string[]> {
    const lines = await this.#editor.locator('.view-lines .view-line').evaluateAll((all) =>
      all
        .map((line) => ({
          top: Number.parseFloat((line as HTMLElement).style.top),
          text: line.textContent ?? '',
        }))
        .sort((a, b) => a.top - b.top)
        .map(({ text }) => text),
    );
    return lines.map((line) => line.replaceAll('\u00a0', ' '));
  }

  /** The colour that this word of a line in sight is drawn in. */
  async colour(word: string): Promise<string> {
    const token = this.#editor.locator('.view-line span span', { hasText: word }).first();
    return token.evaluate((span) => getComputedStyle(span).color);
  }

  /** Puts the caret at a line and column (from 1). */
  async place(line: number, column = 1): Promise<void> {
    await this.#page.keyboard.press('Control+G');
    await this.#input.enter(`:${line}:${column}`);
    await this.#input.closed();
  }

  /** Where the caret is drawn in the window. */
  async caret(): Promise<{ x: number; y: number }> {
    const box = (await this.#editor.locator('.cursors-layer .cursor').first().boundingBox())!;
    return { x: box.x + 1, y: box.y + box.height / 2 };
  }

  /** Types as a person does: brackets and quotes close themselves. */
  async type(text: string): Promise<void> {
    await this.#page.keyboard.type(text, { delay: 10 });
  }

  /** Puts this in the place of everything. */
  async replaceAll(text: string): Promise<void> {
    await this.#page.keyboard.press('Control+A');
    await this.#page.keyboard.insertText(text);
  }

  async isDirty(): Promise<boolean> {
    return (await this.#page.locator('.editor-group-container.active .tab.active.dirty').count()) > 0;
  }

  async save(): Promise<void> {
    await this.#page.keyboard.press('Control+S');
    await this.#page.locator('.editor-group-container.active .tab.active:not(.dirty)').waitFor();
  }

  /** What is shown about the place at the caret. */
  async hover(): Promise<Locator> {
    // Where the mouse rests, something else may have its say and take the place of this.
    await this.#page.mouse.move(640, 790);
    await this.#page.keyboard.press('Control+K');
    await this.#page.keyboard.press('Control+I');
    const hover = this.#page.locator('.monaco-resizable-hover .monaco-hover:visible');
    await hover.waitFor();
    return hover;
  }

  /** Opens the list of completions at the caret; their labels. */
  async complete(): Promise<string[]> {
    const rows = this.#page.locator('.suggest-widget.visible .monaco-list-row .label-name');
    // Whoever knows the language may still be starting: asked before, the editor says that there is nothing, once.
    for (let tries = 0; ; tries++) {
      await this.#page.keyboard.press('Control+Space');
      try {
        await rows.first().waitFor({ timeout: 5000 });
        break;
      } catch (cause) {
        if (tries === 5) throw cause;
        await this.#page.keyboard.press('Escape');
      }
    }
    return (await rows.allInnerTexts()).map(plain);
  }

  /** Takes an entry of the list of completions. */
  async choose(label: string): Promise<void> {
    const own = new RegExp(`^\\s*${escaped(label)}\\s*$`);
    const row = this.#page
      .locator('.suggest-widget.visible .monaco-list-row')
      .filter({ has: this.#page.locator('.label-name', { hasText: own }) })
      .first();
    await row.click();
  }

  /** Opens the quick fixes at the caret; their titles. */
  async fixes(): Promise<string[]> {
    const rows = this.#page.locator('.action-widget .monaco-list-row.action .title');
    // The list goes when the problems are looked for again, and they are after each change.
    for (let tries = 0; tries < 3 && (await rows.count()) === 0; tries++) {
      await this.#page.keyboard.press('Control+.');
      await rows
        .first()
        .waitFor({ timeout: 5000 })
        .catch(() => {});
    }
    return (await rows.allInnerTexts()).map(plain);
  }

  /** Applies a quick fix at the caret. */
  async fix(title: string | RegExp): Promise<void> {
    await this.fixes();
    await this.#page.locator('.action-widget .monaco-list-row.action', { hasText: title }).first().click();
  }

  /** Titles of the CodeLenses in sight. */
  async lenses(): Promise<string[]> {
    return (await this.#editor.locator('.codelens-decoration a').allInnerTexts()).map(plain);
  }

  async lens(title: string): Promise<void> {
    // What is said of a tab under the mouse lies over the first line.
    await this.#page.mouse.move(640, 790);
    const own = new RegExp(`^\\s*${escaped(title)}\\s*$`);
    await this.#editor.locator('.codelens-decoration a').filter({ hasText: own }).first().click();
  }

  /** Presses an icon in the title bar of the editor in front. */
  async titleAction(title: string): Promise<void> {
    await this.#page
      .locator(`.editor-group-container.active .editor-actions a.action-label[aria-label^="${title}"]`)
      .click();
  }

  /** Problems of all files, as the Problems view lists them. */
  async problems(): Promise<string[]> {
    await this.#input.run('Problems: Focus on Problems View');
    const rows = this.#page.locator(
      '.markers-panel .monaco-list-row .marker-line, .markers-panel .monaco-tl-contents .marker-message-line',
    );
    await this.#page.waitForTimeout(200);
    const found = (await rows.allInnerTexts()).map(plain);
    await this.#page.keyboard.press('Control+J');
    return found;
  }
}
