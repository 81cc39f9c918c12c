// Finds texts for people that do not go through `t`, as far as a look at the code can tell: literals of several words,
// and single words where only people read them.
import ts from 'typescript';

/** Files without a text of the editor for people. */
const silent = [
  'src/platform/webview/page.ts', // a page around texts
  'src/runs/diagnostics.ts', // a report for whoever mends this program
  'src/subject/trigger.ts', // words that a base knows
];

/** Words that no person reads in the editor, or that are not in a person's language. */
const meantAsTheyAre = new Set([
  'this machine', // a name, shown by hostLabel
  'transport "openssh"', // what a hint of the agent is known by
  '{} on the beach', // prompts: bases know English
  '{} in the forest',
  'The comparison is open.', // told to a language model
  'there is no such request', // of a contract's ends to each other
  'there is no such notice',
  'not of the right type',
]);

const words = /[A-Za-z]{2,}[,.:;]? [A-Za-z]{2,}/;
const style = /^(ui|run|compare|subject)-|\d(px|fr)\b/;
/** Whether something is left besides what is put in and names of icons. */
const hasWord = (text) => /\p{L}{2,}/u.test(text.replaceAll('{}', '').replace(/\$\([\w-~]+\)/g, ''));

/** What only people read, by the property that holds it. */
const toldBy = new Set([
  ...['label', 'title', 'detail', 'placeHolder', 'placeholder', 'prompt', 'tooltip', 'openLabel', 'hint'],
  ...['aria-label', 'aria-description', 'alt', 'summary'],
]);
/** What only people read, by the function that is given it; and which argument it is. */
const toldTo = [
  [/\.show(Information|Warning|Error)Message$|\.setStatusBarMessage$|\.report$/, 0],
  [/^TreeItem$|^MarkdownString$/, 0],
  [/^ParaError$/, 1],
];
const notTold =
  /\blog\.(trace|debug|info|warn|error)$|^import$|\.(includes|startsWith|endsWith|executeCommand)$/;

const isT = (callee) => /^(t|\w+\.t)$/.test(callee);

/** A literal's text, `{}` where a template puts something in; `undefined` where it is none. */
function textOf(node) {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (!ts.isTemplateExpression(node)) return undefined;
  return [node.head.text, ...node.templateSpans.map(({ literal }) => `{}${literal.text}`)].join('');
}

/** Whether what a literal is given to is for people alone. */
function isTold(node, file) {
  const { parent } = node;
  if (ts.isPropertyAssignment(parent) || ts.isJsxAttribute(parent))
    return toldBy.has(parent.name.getText(file).replaceAll("'", ''));
  if (!ts.isCallExpression(parent) && !ts.isNewExpression(parent)) return false;
  const callee = parent.expression.getText(file);
  return toldTo.some(([name, place]) => name.test(callee) && parent.arguments?.[place] === node);
}

/** Names of things, which are no texts: of modules, types, properties, classes of a style. */
function isName({ parent }, node, file) {
  if (ts.isLiteralTypeNode(parent) || ts.isExternalModuleReference(parent)) return true;
  if (ts.isJsxAttribute(parent)) return ['class', 'style', 'd'].includes(parent.name.getText(file));
  return 'name' in parent && parent.name === node;
}

/**
 * Texts of a source file that translators would not find.
 * @param path in the repository
 * @returns what is wrong, with line numbers
 */
export function untranslated(path, source) {
  if (silent.includes(path)) return [];
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true);
  const found = [];
  const tell = (node, what) => {
    const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
    found.push(`${path}:${line + 1}: ${what}`);
  };
  const visit = (node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    if (ts.isCallExpression(node)) {
      const callee = node.expression.getText(file);
      if (notTold.test(callee)) return;
      // What is put into a text may hold texts of its own.
      if (isT(callee)) return node.arguments.slice(1).forEach(visit);
    }
    if (ts.isJsxText(node) && hasWord(node.text))
      tell(node, `"${node.text.trim()}" is shown as it is: use t()`);
    const text = textOf(node);
    if (text !== undefined && !meantAsTheyAre.has(text) && !style.test(text) && !isName(node, node, file))
      if (words.test(text) || (hasWord(text) && isTold(node, file)))
        tell(node, `"${text}" is no text for translators: use t()`);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}
