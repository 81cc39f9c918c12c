import type { ComparisonView } from '../contract/compare.ts';
import { loadPicture } from '../ui/picture.tsx';
import { cellAt } from './state.ts';

const [labelHeight, promptWidth, gap] = [34, 190, 8];
/** Width of a picture in pixels: its own between these. */
const [narrowest, widest] = [256, 1024];

/** Draws what is finished of the comparison as one labelled PNG; `undefined` where nothing is yet. */
export async function drawSheet(view: ComparisonView): Promise<ArrayBuffer | undefined> {
  const { columns, rows } = view;
  const done = (column: string, row: string) => {
    const cell = cellAt(view, column, row);
    return cell?.state === 'done' ? cell.source : undefined;
  };
  const sources = rows.map((row) => columns.map((column) => done(column.id, row.id)));
  const pictures = await Promise.all(
    sources.map((line) => Promise.all(line.map((source) => (source ? loadPicture(source) : undefined)))),
  );
  const first = pictures.flat().find((one) => one !== undefined);
  if (!first) return undefined;
  const cellSize = Math.min(widest, Math.max(narrowest, first.naturalWidth));
  const cellHeight = Math.round((cellSize * first.naturalHeight) / first.naturalWidth);
  const width = promptWidth + columns.length * (cellSize + gap) + gap;
  const height = labelHeight + rows.length * (cellHeight + gap) + gap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d')!;
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  context.fillStyle = '#000';
  context.textBaseline = 'middle';
  // Small pictures keep their pixels.
  context.imageSmoothingEnabled = first.naturalWidth > narrowest;
  for (const [c, { label, method, strength }] of columns.entries()) {
    context.font = 'bold 13px sans-serif';
    const text = method === 'base' || strength === 1 ? label : `${label} (${strength})`;
    context.fillText(text, promptWidth + c * (cellSize + gap) + gap, labelHeight / 2, cellSize);
  }
  for (const [r, { text }] of rows.entries()) {
    const top = labelHeight + r * (cellHeight + gap);
    context.font = '13px sans-serif';
    for (const [i, line] of wrapped(context, text, promptWidth - 2 * gap).entries())
      context.fillText(line, gap, top + 12 + i * 17);
    for (const [c, picture] of pictures[r]!.entries())
      if (picture)
        context.drawImage(picture, promptWidth + c * (cellSize + gap) + gap, top, cellSize, cellHeight);
  }
  const blob = await canvas.convertToBlob({ type: 'image/png' });
  return blob.arrayBuffer();
}

/** Lines of a text that are no wider than `width` pixels. */
function wrapped(context: OffscreenCanvasRenderingContext2D, text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const longer = lines.length > 0 ? `${lines.at(-1)} ${word}` : word;
    if (lines.length > 0 && context.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.slice(0, 14);
}
