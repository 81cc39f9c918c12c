import { signal } from '@preact/signals';

/** Counts changes of the editor's theme: whatever draws on a canvas draws again. */
export const themeChanges = signal(0);

new MutationObserver(() => {
  themeChanges.value++;
}).observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-kind'] });

/** The value of a theme colour such as `charts-blue`. */
export const themeColor = (name: string, fallback = 'currentColor'): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--vscode-${name}`).trim() || fallback;

export const isHighContrast = (): boolean =>
  document.body.classList.contains('vscode-high-contrast') ||
  document.body.classList.contains('vscode-high-contrast-light');

/** Counts how often the view came back to the screen: what a hidden canvas was sent is lost. */
export const appearances = signal(0);

document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') appearances.value++;
});
