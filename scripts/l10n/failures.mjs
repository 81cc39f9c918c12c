// Finds what the agent's code says of failures and of a run's course. It says so in English wherever it runs; the editor
// translates it by these texts, in which `{0}` stands for what a template puts in (src/platform/phrases.ts).
import ts from 'typescript';

/** What holds such a text: names of properties, and of parameters of functions. */
const holders = new Set(['what', 'message', 'hint', 'note', 'problem', 'why', 'because']);
const words = /\p{L}{2,}[,.:;]? \S*\p{L}{2,}/u;

const text = (fixed) => fixed.reduce((all, part, i) => `${all}{${i - 1}}${part}`);

/** What a file declares by name: functions and values. */
function declared(file) {
  const found = new Map();
  const visit = (node) => {
    if (ts.isFunctionDeclaration(node) && node.name) found.set(node.name.text, node);
    if (ts.isVariableDeclaration(node) && node.initializer)
      found.set(node.name.getText(file), node.initializer);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** What a function returns, as expressions. */
function returned({ body }) {
  if (!ts.isBlock(body)) return [body];
  const found = [];
  const visit = (node) => {
    if (ts.isReturnStatement(node) && node.expression) found.push(node.expression);
    if (!ts.isFunctionLike(node)) ts.forEachChild(node, visit);
  };
  ts.forEachChild(body, visit);
  return found;
}

/**
 * The texts that an expression may become: literals, templates, what is added or chosen of them, and what names and
 * functions of the same file give.
 */
function textsOf(node, names, seen = new Set()) {
  const of = (one) => textsOf(one, names, seen);
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isTemplateExpression(node))
    return [text([node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)])];
  if (ts.isParenthesizedExpression(node)) return of(node.expression);
  if (ts.isConditionalExpression(node)) return [...of(node.whenTrue), ...of(node.whenFalse)];
  if (ts.isBinaryExpression(node)) return [...of(node.left), ...of(node.right)];
  if (ts.isArrowFunction(node) || ts.isFunctionDeclaration(node)) return returned(node).flatMap(of);
  const name = ts.isCallExpression(node) ? node.expression : node;
  const meant = ts.isIdentifier(name) && !seen.has(name.text) && names.get(name.text);
  if (!meant) return [];
  seen.add(name.text);
  return of(meant);
}

/** Functions that are given texts, with their places: those of a file, and those that files hand to each other. */
function tellers(names, file) {
  const found = new Map([
    ['ParaError', [1]],
    ['fail', [0, 1]],
  ]);
  for (const [name, node] of names) {
    if (!ts.isFunctionDeclaration(node) && !ts.isArrowFunction(node)) continue;
    const places = node.parameters.flatMap((one, i) => (holders.has(one.name.getText(file)) ? [i] : []));
    if (places.length > 0) found.set(name, places);
  }
  return found;
}

/** Texts of a source file that reach people as failures, notes and advice. */
export function failureTexts(path, source) {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true);
  const names = declared(file);
  const told = tellers(names, file);
  const found = [];
  const take = (node) => node && found.push(...textsOf(node, names));
  const visit = (node) => {
    const holds = ts.isPropertyAssignment(node) || ts.isParameter(node);
    if (holds && holders.has(node.name.getText(file))) take(node.initializer);
    if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
      const callee = node.expression.getText(file).replace(/^.*\./, '');
      for (const place of told.get(callee) ?? []) take(node.arguments?.[place]);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found.filter((one) => words.test(one));
}
