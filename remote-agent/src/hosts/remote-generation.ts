import { ParaError } from '../common/errors.ts';
import type { DrawRequest, GenerationProgress } from '../protocol/contract/generation.ts';
import { callLong, cancelOn, requestId, withProgress } from './long-request.ts';
import type { HostSession } from './session.ts';

/** What to draw on a host; the request's name is made here unless given. */
export type HostDrawing = Omit<DrawRequest, 'id'> & { readonly id?: string };

/** A picture as the host drew it. */
export interface HostPicture {
  readonly seed: number;
  readonly width: number;
  readonly height: number;
  /** The PNG file, with its recipe in it. */
  readonly png: Uint8Array;
}

/** A look at picture number `picture` (from 0) after `step`, as PNG. */
export interface HostPreview {
  readonly picture: number;
  readonly step: number;
  readonly png: Uint8Array;
}

export interface GenerateOptions {
  readonly signal?: AbortSignal;
  /** Called with each preview, where the request asks for them; one that came too late to be fetched is left out. */
  readonly onPreview?: (preview: HostPreview) => void;
}

/** Largest preview that is taken from a host, in bytes. */
const largestPreview = 4 << 20;

/**
 * Draws pictures on a host and fetches them. Adapters are those of jobs there, or were put there (`putAdapter`).
 * @throws ParaError `base`, `adapter`, `settings`, `device` as drawing here does; `host`, `cancelled`
 */
export async function generateOnHost(
  session: HostSession,
  drawing: HostDrawing,
  onProgress: (progress: GenerationProgress['progress']) => void = () => {},
  { signal, onPreview }: GenerateOptions = {},
): Promise<HostPicture[]> {
  const id = drawing.id ?? requestId();
  const looks: Promise<void>[] = [];
  const note = (progress: GenerationProgress['progress']) => {
    onProgress(progress);
    if (progress.at === 'preview' && onPreview) looks.push(showPreview(session, progress, onPreview));
  };
  const { pictures } = await withProgress(
    session,
    'generation/progress',
    id,
    ({ progress }) => note(progress),
    async () => {
      const stop = cancelOn(session, signal, 'generation/cancel', id);
      try {
        return await callLong(session, 'generation/draw', { ...asKnown(session, drawing), id });
      } finally {
        stop();
      }
    },
  );
  await Promise.all(looks);
  const fetched: HostPicture[] = [];
  for (const { seed, width, height, sha256 } of pictures) {
    const blobs = await session.blobs();
    fetched.push({ seed, width, height, png: await blobs.bytes(sha256) });
  }
  return fetched;
}

async function showPreview(
  session: HostSession,
  { picture, step, sha256 }: Extract<GenerationProgress['progress'], { at: 'preview' }>,
  onPreview: (preview: HostPreview) => void,
): Promise<void> {
  try {
    const blobs = await session.blobs();
    onPreview({ picture, step, png: await blobs.bytes(sha256, largestPreview) });
  } catch {
    // A preview is a courtesy: the picture itself is what fails or comes.
  }
}

/** A drawing as the host's agent takes it: those from before protocol 4 draw in f32 alone. @throws ParaError `protocol` */
function asKnown({ protocol, profile }: HostSession, drawing: HostDrawing): HostDrawing {
  if (protocol >= 4) return drawing;
  const { precision = 'auto', ...rest } = drawing;
  if (precision !== 'f16') return rest;
  throw new ParaError('protocol', 'The agent on the host cannot draw in half precision yet', {
    where: profile.name,
    hint: `para host install ${profile.name}`,
  });
}
