import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { l10n } from 'vscode';
import { ParaError } from '../../remote-agent/src/common/errors.ts';
import { defaultBase } from '../../remote-agent/src/subject/name.ts';
import { drawingDevice } from '../subject/device.ts';
import { appliedFile, newId } from './adapters.ts';
import { defaultSettings } from './model.ts';
import { Painter } from './painter.ts';
import type { ComparisonServices } from './panel.ts';
import { placeFor } from './place.ts';

/** What to draw: one picture. */
export interface PictureRequest {
  readonly prompt: string;
  /** Name of an adapter of the library; the base alone where it is left out. */
  readonly adapter?: string;
  readonly host?: string;
}

/**
 * Draws one picture into the extension's storage.
 * @returns path of the PNG file
 * @throws ParaError `adapter`, `base`, `host`, `cancelled`
 */
export async function drawPicture(
  services: ComparisonServices,
  { prompt, adapter: name, host: wanted }: PictureRequest,
  signal: AbortSignal,
): Promise<string> {
  const { context, hosts, library } = services;
  hosts.mayConnect();
  const adapter = name === undefined ? undefined : await library.find(name);
  if (name !== undefined && !adapter)
    throw new ParaError('adapter', l10n.t('There is no adapter "{0}"', name), {
      hint: l10n.t('list the runs to see their ids'),
    });
  const base = adapter?.base ?? defaultBase;
  const host = wanted ?? placeFor(services, adapter ? [adapter] : [], base);
  const id = newId();
  const painter = new Painter((one) => hosts.session(one), id, drawingDevice);
  const png = await painter.draw(
    {
      place: await painter.place({ host, base }),
      prompt,
      settings: defaultSettings,
      adapters: adapter ? [{ ...(await appliedFile(adapter)), strength: 1 }] : [],
    },
    [],
    { signal, previewEvery: 0, onProgress: () => {}, onPreview: () => {} },
  );
  const folder = join(context.globalStorageUri.fsPath, 'drawn');
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${id}.png`);
  await writeFile(path, png);
  return path;
}
