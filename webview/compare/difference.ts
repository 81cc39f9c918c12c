/** How much differences are enlarged. */
const gain = 2;

/** Pixels of a picture, drawn to a size. */
function pixelsOf(picture: CanvasImageSource, width: number, height: number): ImageData {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { willReadFrequently: true })!;
  context.drawImage(picture, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** Draws `right` minus `left` around mid grey, by channel. */
export function difference(canvas: HTMLCanvasElement, left: HTMLImageElement, right: HTMLImageElement): void {
  const { naturalWidth: width, naturalHeight: height } = right;
  canvas.width = width;
  canvas.height = height;
  canvas.dataset.small = String(width <= 256);
  const a = pixelsOf(left, width, height);
  const b = pixelsOf(right, width, height);
  for (let i = 0; i < b.data.length; i++)
    b.data[i] = i % 4 === 3 ? 255 : 128 + gain * (b.data[i]! - a.data[i]!);
  canvas.getContext('2d')!.putImageData(b, 0, 0);
}
