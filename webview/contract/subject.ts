import { type Static, Type } from '@sinclair/typebox';
import type { Contract } from './kernel.ts';
import { Bytes } from './packed.ts';

const Nothing = Type.Object({});
const Text = Type.String();
const Numbers = Type.Number();

/** A setting of the subject file as a form shows it. */
export const Field = Type.Object({
  /** Keys from the outside in. */
  at: Type.Array(Text),
  label: Text,
  description: Text,
  kind: Type.Union([
    Type.Literal('text'),
    Type.Literal('choice'),
    Type.Literal('switch'),
    /** One item a line. */
    Type.Literal('lines'),
  ]),
  /** As written in the file; empty where the file leaves it out. */
  text: Text,
  /** What counts where the file leaves it out. */
  fallback: Text,
  choices: Type.Array(Text),
});
export type Field = Static<typeof Field>;

export const FieldGroup = Type.Object({ label: Text, description: Text, fields: Type.Array(Field) });
export type FieldGroup = Static<typeof FieldGroup>;

/** A part of a picture that training shows, in shares of the picture's width and height. */
export const Crop = Type.Object({ left: Numbers, top: Numbers, width: Numbers, height: Numbers });
export type Crop = Static<typeof Crop>;

/** Something to mend: an error, a warning, or only to be known. */
const ViewProblem = Type.Object({ severity: Text, message: Text });

export const SubjectPicture = Type.Object({
  /** Names the picture in requests. */
  id: Text,
  name: Text,
  source: Text,
  /** "256 x 256", or nothing where it cannot be read. */
  size: Text,
  /** Width by height. */
  aspect: Numbers,
  caption: Text,
  /** Where the caption is kept. */
  captionPlace: Text,
  /** "12 tokens", where the base's tokenizers are at hand. */
  tokens: Text,
  /** Size that it is trained at, which is its bucket's with size buckets. */
  bucket: Text,
  crops: Type.Array(Crop),
  heldOut: Type.Boolean(),
  problems: Type.Array(ViewProblem),
});
export type SubjectPicture = Static<typeof SubjectPicture>;

/** A subject file as its editor shows it. */
export const SubjectView = Type.Object({
  name: Text,
  /** Why the file cannot be shown as a form. */
  broken: Type.Optional(Text),
  editable: Type.Boolean(),
  /** Whether the workspace is trusted: elsewhere nothing is trained. */
  trusted: Type.Boolean(),
  groups: Type.Array(FieldGroup),
  pictures: Type.Array(SubjectPicture),
  /** Problems that belong to no picture. */
  problems: Type.Array(ViewProblem),
});
export type SubjectView = Static<typeof SubjectView>;

/** A file that was dropped or pasted. */
export const DroppedFile = Type.Object({ name: Text, bytes: Bytes });

/** What the subject editor and the extension say to each other. */
export const subjectContract = {
  requests: {
    open: { params: Nothing, result: SubjectView },
    /** An empty text takes the setting out of the file. */
    setField: { params: Type.Object({ at: Type.Array(Text), text: Text }), result: Nothing },
    setCaption: { params: Type.Object({ id: Text, caption: Text }), result: Nothing },
    /** Asks for pictures by a dialog. */
    addPictures: { params: Nothing, result: Nothing },
    /** Files whose bytes the view holds. */
    addFiles: { params: Type.Object({ files: Type.Array(DroppedFile) }), result: Nothing },
    /** Files that the editor knows, by their uris. */
    addUris: { params: Type.Object({ uris: Type.Array(Text) }), result: Nothing },
    removePicture: { params: Type.Object({ id: Text }), result: Nothing },
    /** Puts a text before captions, or another in place of one in them. Tells how many changed. */
    changeCaptions: {
      params: Type.Object({ ids: Type.Array(Text), find: Text, text: Text }),
      result: Type.Object({ changed: Type.Integer() }),
    },
    act: {
      params: Type.Object({
        action: Type.Union([Type.Literal('train'), Type.Literal('text'), Type.Literal('picture')]),
        id: Type.Optional(Text),
      }),
      result: Nothing,
    },
  },
  notices: { changed: SubjectView },
} as const satisfies Contract;
