/**
 * The engine's own code as coroutines. Of every function in some compiled modules that reaches an atomic operation or a
 * message a copy is made, a generator with `$` behind its name, that yields the operation instead of doing it: whoever
 * drives it decides which thread goes next. Nothing else of the code is changed, unless a test asks for a mutation.
 */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
const { factory } = ts;

/** An operation that a coroutine stands before: its name and what it is called with. */
export type Operation = readonly [name: string, ...args: any[]];
export type Steps<T = unknown> = Generator<Operation, T, any>;

/** A change of a module's text, to see whether it is noticed. */
export interface Mutation {
  readonly module: string;
  readonly from: string;
  readonly to: string;
}

/** What is always a step, whoever has it: the fakes do. */
const STEPS = ['postMessage', 'receiveMessageOnPort', 'receive', 'post', 'sync', 'inSystemCalls', 'forEachWritten'];

/** Private fields that hold a function which is a step. */
const FIELDS = new Set(['#post', '#onMessage']);

/** Call a method as a coroutine if it is one. */
export function* callMethod(object: any, name: string, ...args: any[]): Steps<any> {
  const steps = object[`${name}$`];
  return steps === undefined ? object[name](...args) : yield* steps.apply(object, args);
}

/** The same for a function that was handed over. */
export function* callFunction(call: any, ...args: any[]): Steps<any> {
  const result = call(...args);
  return typeof result?.next === 'function' ? yield* result : result;
}

/**
 * Load modules of the package, by their paths in dist, as coroutines.
 * @param fakes exports that stand for those of a module, by its path in dist or its name
 * @param globals names that the modules see instead of the global ones
 */
export async function loadCoroutines(
  modules: readonly string[],
  fakes: Readonly<Record<string, object>>,
  globals: Readonly<Record<string, unknown>>,
  mutations: readonly Mutation[] = [],
): Promise<Readonly<Record<string, any>>> {
  const sources = new Map<string, ts.SourceFile>();
  for (const name of modules) {
    let text = fs.readFileSync(path.join(DIST, name), 'utf8');
    for (const { module, from, to } of mutations) {
      if (module !== name) continue;
      if (text.split(from).length !== 2) throw new Error(`${name} does not have exactly once: ${from}`);
      text = text.replace(from, () => to);
    }
    sources.set(name, ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true, ts.ScriptKind.JS));
  }
  const effects = findEffects(sources);
  const loaded: Record<string, any> = {};
  const native = await importOthers(sources, fakes);
  const load = (name: string): any => {
    if (loaded[name] !== undefined) return loaded[name];
    const exports = {};
    loaded[name] = exports;
    const { transformed } = ts.transform(sources.get(name)!, [addCoroutines(name, effects, new Set(modules))]);
    const { outputText } = ts.transpileModule(ts.createPrinter().printFile(transformed[0]!), {
      fileName: name,
      compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, allowJs: true },
    });
    const require = (specifier: string): any => {
      const target = resolve(name, specifier);
      return fakes[target] ?? (sources.has(target) ? load(target) : native.get(target));
    };
    const names = Object.keys(globals);
    const make = new Function(
      'require',
      'exports',
      '$call',
      '$invoke',
      ...names,
      `${outputText}\n//# sourceURL=${name}`,
    );
    make(require, exports, callMethod, callFunction, ...names.map((key) => globals[key]));
    return exports;
  };
  for (const name of modules) load(name);
  return loaded;
}

function resolve(from: string, specifier: string): string {
  return specifier.startsWith('.') ? path.posix.join(path.posix.dirname(from), specifier) : specifier;
}

async function importOthers(
  sources: ReadonlyMap<string, ts.SourceFile>,
  fakes: Readonly<Record<string, object>>,
): Promise<Map<string, any>> {
  const others = new Map<string, any>();
  for (const [name, source] of sources) {
    for (const statement of source.statements) {
      if (!ts.isImportDeclaration(statement)) continue;
      const target = resolve(name, (statement.moduleSpecifier as ts.StringLiteral).text);
      if (fakes[target] !== undefined || sources.has(target) || others.has(target)) continue;
      const isFile = target.endsWith('.js');
      others.set(target, await import(isFile ? pathToFileURL(path.join(DIST, target)).href : target));
    }
  }
  return others;
}

type Named = ts.MethodDeclaration | ts.FunctionDeclaration | ts.PropertyDeclaration;

/** Private names are their file's own. */
function keyOf(file: string, name: string): string {
  return name.startsWith('#') ? `${file}:${name}` : name;
}

function isArrow(node: ts.Node | undefined): node is ts.ArrowFunction {
  return node !== undefined && ts.isArrowFunction(node);
}

/** A function that can become a coroutine: named, synchronous, no accessor. */
function isCandidate(node: ts.Node): node is Named {
  if (ts.isPropertyDeclaration(node)) return isArrow(node.initializer);
  if (!ts.isMethodDeclaration(node) && !ts.isFunctionDeclaration(node)) return false;
  const isAsync = node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.AsyncKeyword) === true;
  return !isAsync && node.asteriskToken === undefined && node.body !== undefined && node.name !== undefined;
}

/** The names of all functions that reach a step, as far as names tell. */
function findEffects(sources: ReadonlyMap<string, ts.SourceFile>): ReadonlySet<string> {
  const effects = new Set(STEPS);
  const visit = (file: string, node: ts.Node): void => {
    if (isCandidate(node)) {
      const key = keyOf(file, node.name!.getText());
      if (!effects.has(key) && reaches(node, file, effects)) effects.add(key);
    }
    ts.forEachChild(node, (child) => visit(file, child));
  };
  for (let before = -1; before !== effects.size; ) {
    before = effects.size;
    for (const [file, source] of sources) visit(file, source);
  }
  return effects;
}

/** Whether something in a function is a step. */
function reaches(node: ts.Node, file: string, effects: ReadonlySet<string>): boolean {
  const isStep = ts.isCallExpression(node) && nameOfCall(node, file, effects) !== undefined;
  return isStep || ts.forEachChild(node, (child) => reaches(child, file, effects) || undefined) === true;
}

/** The name of what is called, if that is a step. */
function nameOfCall({ expression }: ts.CallExpression, file: string, effects: ReadonlySet<string>): string | undefined {
  if (ts.isPropertyAccessExpression(expression)) {
    const name = expression.name.text;
    if (ts.isIdentifier(expression.expression) && expression.expression.text === 'Atomics') return name;
    return effects.has(keyOf(file, name)) || FIELDS.has(name) ? name : undefined;
  }
  return ts.isIdentifier(expression) && effects.has(expression.text) ? expression.text : undefined;
}

function addCoroutines(
  file: string,
  effects: ReadonlySet<string>,
  modules: ReadonlySet<string>,
): ts.TransformerFactory<ts.SourceFile> {
  return (context) => {
    const copyOf = (node: Named): Named => {
      const name = `${node.name!.getText()}$`;
      const star = factory.createToken(ts.SyntaxKind.AsteriskToken);
      if (ts.isPropertyDeclaration(node)) {
        return factory.createPropertyDeclaration(
          undefined,
          name.startsWith('#') ? factory.createPrivateIdentifier(name) : name,
          undefined,
          undefined,
          asCoroutine(node.initializer as ts.ArrowFunction),
        );
      }
      const parameters = new Set(node.parameters.map((parameter) => parameter.name.getText()));
      const body = ts.visitEachChild(node.body!, (child) => inCoroutine(child, parameters), context);
      if (ts.isFunctionDeclaration(node)) {
        return factory.createFunctionDeclaration(
          node.modifiers,
          star,
          name,
          undefined,
          node.parameters,
          undefined,
          body,
        );
      }
      const id = name.startsWith('#') ? factory.createPrivateIdentifier(name) : factory.createIdentifier(name);
      return factory.createMethodDeclaration(
        undefined,
        star,
        id,
        undefined,
        undefined,
        node.parameters,
        undefined,
        body,
      );
    };

    /** An arrow function as a generator that has the same `this`. */
    const asCoroutine = (arrow: ts.ArrowFunction): ts.Expression => {
      const parameters = new Set(arrow.parameters.map((parameter) => parameter.name.getText()));
      const inside = (node: ts.Node): ts.Node => inCoroutine(node, parameters);
      const body = ts.isBlock(arrow.body)
        ? ts.visitEachChild(arrow.body, inside, context)
        : factory.createBlock([factory.createReturnStatement(inside(arrow.body) as ts.Expression)]);
      const star = factory.createToken(ts.SyntaxKind.AsteriskToken);
      const made = factory.createFunctionExpression(
        undefined,
        star,
        undefined,
        undefined,
        arrow.parameters,
        undefined,
        body,
      );
      return factory.createCallExpression(
        factory.createPropertyAccessExpression(factory.createParenthesizedExpression(made), 'bind'),
        undefined,
        [factory.createThis()],
      );
    };

    const inCoroutine = (node: ts.Node, parameters: ReadonlySet<string>): ts.Node => {
      const next = (child: ts.Node): ts.Node => inCoroutine(child, parameters);
      if (isArrow(node)) return reaches(node, file, effects) ? asCoroutine(node) : node;
      if (ts.isCallExpression(node)) {
        const args = node.arguments.map((argument) => next(argument) as ts.Expression);
        const called = node.expression;
        if (ts.isIdentifier(called) && parameters.has(called.text)) return delegate('$invoke', [called, ...args]);
        const name = nameOfCall(node, file, effects);
        if (name === undefined) return ts.visitEachChild(node, next, context);
        if (ts.isIdentifier(called)) return delegate(`${name}$`, args);
        const { expression: object } = called as ts.PropertyAccessExpression;
        if (ts.isIdentifier(object) && object.text === 'Atomics') {
          const operation = factory.createArrayLiteralExpression([factory.createStringLiteral(name), ...args]);
          return parenthesized(factory.createYieldExpression(undefined, operation));
        }
        if (FIELDS.has(name)) return delegate('$invoke', [called, ...args]);
        if (name.startsWith('#')) {
          const own = factory.createPropertyAccessExpression(object, factory.createPrivateIdentifier(`${name}$`));
          return yieldAll(factory.createCallExpression(own, undefined, args));
        }
        return delegate('$call', [next(object) as ts.Expression, factory.createStringLiteral(name), ...args]);
      }
      // A function that is handed over by its name.
      if (ts.isPropertyAccessExpression(node) && ts.isPrivateIdentifier(node.name)) {
        const isArgument = ts.isCallExpression(node.parent) && node.parent.expression !== node;
        if (isArgument && effects.has(keyOf(file, node.name.text))) {
          return factory.createPropertyAccessExpression(
            node.expression,
            factory.createPrivateIdentifier(`${node.name.text}$`),
          );
        }
      }
      return ts.visitEachChild(node, next, context);
    };

    const delegate = (name: string, args: readonly ts.Expression[]): ts.Expression =>
      yieldAll(factory.createCallExpression(factory.createIdentifier(name), undefined, args));

    const visit = (node: ts.Node): ts.VisitResult<ts.Node> => {
      if (ts.isImportDeclaration(node)) return withCopies(node, file, effects, modules);
      const isCopied = isCandidate(node) && effects.has(keyOf(file, node.name!.getText()));
      const kept = ts.visitEachChild(node, visit, context);
      return isCopied ? [kept, copyOf(node)] : kept;
    };
    return (source) => ts.visitEachChild(source, visit, context);
  };
}

function yieldAll(call: ts.Expression): ts.Expression {
  return parenthesized(factory.createYieldExpression(factory.createToken(ts.SyntaxKind.AsteriskToken), call));
}

function parenthesized(expression: ts.Expression): ts.Expression {
  return factory.createParenthesizedExpression(expression);
}

/** An import with the coroutines of what it names. */
function withCopies(
  node: ts.ImportDeclaration,
  file: string,
  effects: ReadonlySet<string>,
  modules: ReadonlySet<string>,
): ts.ImportDeclaration {
  const target = resolve(file, (node.moduleSpecifier as ts.StringLiteral).text);
  const named = node.importClause?.namedBindings;
  if (named === undefined || !ts.isNamedImports(named)) return node;
  if (!modules.has(target) && target !== 'node:worker_threads') return node;
  const copies = named.elements
    .filter(({ name }) => effects.has(name.text))
    .map(({ name }) => factory.createImportSpecifier(false, undefined, factory.createIdentifier(`${name.text}$`)));
  return factory.updateImportDeclaration(
    node,
    node.modifiers,
    factory.createImportClause(undefined, undefined, factory.createNamedImports([...named.elements, ...copies])),
    node.moduleSpecifier,
    node.attributes,
  );
}
