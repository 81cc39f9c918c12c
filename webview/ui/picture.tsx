import { useState } from 'preact/hooks';

/** Pictures up to this many pixels wide are shown with their pixels, not blurred. */
const smallWidth = 256;

interface PictureProps {
  readonly source: string;
  readonly description: string;
  readonly lazy?: boolean;
}

/** A picture that may be read back into a canvas. */
export function Picture({ source, description, lazy = false }: PictureProps) {
  const [small, setSmall] = useState(false);
  return (
    <img
      class="ui-picture"
      data-small={small}
      src={source}
      alt={description}
      crossOrigin="anonymous"
      decoding="async"
      loading={lazy ? 'lazy' : 'eager'}
      draggable={false}
      onLoad={(event) => setSmall(event.currentTarget.naturalWidth <= smallWidth)}
    />
  );
}

/** A picture of the extension's as pixels can be read from it. */
export function loadPicture(source: string): Promise<HTMLImageElement> {
  return new Promise((resolve, reject) => {
    const picture = new Image();
    picture.crossOrigin = 'anonymous';
    picture.onload = () => resolve(picture);
    picture.onerror = () => reject(new Error(source));
    picture.src = source;
  });
}
