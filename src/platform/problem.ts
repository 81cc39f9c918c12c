/** A change of a text: what stands from `start` to before `end` (UTF-16 units) becomes `text`. */
export interface TextChange {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** A way to mend a problem: changes of the document it was found in, and new contents of files by their uri path. */
export interface Fix {
  readonly title: string;
  readonly changes?: readonly TextChange[];
  readonly files?: readonly { readonly path: string; readonly content: string }[];
  /** The one that most people will want. */
  readonly preferred?: boolean;
}

/** Something to mend in a document, from `start` to before `end`. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly severity: 'error' | 'warning' | 'information';
  readonly start: number;
  readonly end: number;
  readonly fixes?: readonly Fix[];
  /** Another file that the problem is about. */
  readonly related?: { readonly path: string; readonly message: string };
  /** Somebody else shows it (the JSON service does); only its fixes are offered. */
  readonly shownElsewhere?: boolean;
}
