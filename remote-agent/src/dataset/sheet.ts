import { createRequire } from 'node:module';
import opentype from 'opentype.js';
import { enlarge, type Picture, renderSvg } from './pictures.ts';

const require = createRequire(import.meta.url);
const fonts = new Map<string, opentype.Font>();

function font(bold: boolean): opentype.Font {
  const file = `dejavu-fonts-ttf/ttf/DejaVuSans${bold ? '-Bold' : ''}.ttf`;
  let loaded = fonts.get(file);
  if (!loaded) {
    loaded = opentype.loadSync(require.resolve(file));
    fonts.set(file, loaded);
  }
  return loaded;
}

interface Text {
  readonly text: string;
  readonly size: number;
  readonly bold?: boolean;
}

/** Breaks a text into lines no wider than `width` pixels. */
function wrap(item: Text, width: number): string[] {
  const f = font(item.bold ?? false);
  const lines: string[] = [];
  for (const word of item.text.split(/\s+/)) {
    const longer = lines.length > 0 ? `${lines.at(-1)} ${word}` : word;
    if (lines.length > 0 && f.getAdvanceWidth(longer, item.size) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** A block of text on white, as outlines: the picture needs no font on the machine. */
async function textBlock(
  items: readonly Text[],
  width: number,
  height: number,
  centred: boolean,
): Promise<Picture> {
  const lines = items.flatMap((item) => wrap(item, width - 12).map((text) => ({ ...item, text })));
  const total = lines.reduce((sum, line) => sum + line.size * 1.35, 0);
  let y = Math.max(0, (height - total) / 2);
  const paths = lines.map((line) => {
    const f = font(line.bold ?? false);
    const wide = f.getAdvanceWidth(line.text, line.size);
    y += line.size * 1.35;
    return f.getPath(line.text, centred ? (width - wide) / 2 : 6, y - line.size * 0.35, line.size).toSVG(2);
  });
  return renderSvg(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="#fff"/>${paths.join('')}</svg>`,
  );
}

function paste(into: Uint8Array, width: number, picture: Picture, left: number, top: number): void {
  for (let y = 0; y < picture.height; y++)
    into.set(
      picture.rgb.subarray(y * picture.width * 3, (y + 1) * picture.width * 3),
      ((top + y) * width + left) * 3,
    );
}

/** Pictures side by side, row by row; all have the size of the first. */
export function grid(pictures: readonly Picture[], columns: number): Picture {
  const { width, height } = pictures[0]!;
  const rows = Math.ceil(pictures.length / columns);
  const rgb = new Uint8Array(columns * width * rows * height * 3).fill(255);
  pictures.forEach((picture, i) => {
    paste(rgb, columns * width, picture, (i % columns) * width, Math.floor(i / columns) * height);
  });
  return { width: columns * width, height: rows * height, rgb };
}

export interface Sheet {
  readonly columns: readonly { readonly title: string; readonly note: string }[];
  readonly rows: readonly string[];
  /** One picture for each row and column: `cells[row][column]`. */
  readonly cells: readonly (readonly Picture[])[];
}

/** A labelled comparison: a header a column, the prompt beside each row, small pictures enlarged to at least 128 px. */
export async function compareSheet(sheet: Sheet): Promise<Picture> {
  const first = sheet.cells[0]![0]!;
  const factor = Math.max(1, Math.ceil(128 / first.width));
  const cell = { width: first.width * factor, height: first.height * factor };
  const gap = 8;
  const label = 200;
  const header = 64;
  const width = label + sheet.columns.length * (cell.width + gap);
  const height = header + sheet.rows.length * (cell.height + gap);
  const rgb = new Uint8Array(width * height * 3).fill(255);
  for (const [c, column] of sheet.columns.entries()) {
    const block = await textBlock(
      [
        { text: column.title, size: 15, bold: true },
        { text: column.note, size: 11 },
      ],
      cell.width,
      header,
      true,
    );
    paste(rgb, width, block, label + c * (cell.width + gap), 0);
  }
  for (const [r, prompt] of sheet.rows.entries()) {
    const top = header + r * (cell.height + gap);
    paste(rgb, width, await textBlock([{ text: prompt, size: 14 }], label, cell.height, false), 0, top);
    for (const [c, picture] of sheet.cells[r]!.entries())
      paste(rgb, width, await enlarge(picture, factor), label + c * (cell.width + gap), top);
  }
  return { width, height, rgb };
}
