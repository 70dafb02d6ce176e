// A readable report of what a package promises, made from the declarations that it publishes: for each entry, every exported
// name with its declaration, and then the declarations that these reach without exporting them, because a change there
// changes the promise as well.
import { join, relative, sep } from 'node:path'
import ts from 'typescript'

/**
 * The report of one built package, as markdown, and the names that it exports without saying what they give.
 *
 * @param {{ name: string, directory: string, manifest: { publishConfig?: { exports?: object } } }} one
 */
export function apiReport({ name, directory, manifest }) {
  const entries = Object.entries(manifest.publishConfig?.exports ?? {}).flatMap(([key, target]) => {
    const types = target?.import?.types
    return types === undefined ? [] : [{ specifier: name + key.slice(1), file: join(directory, types) }]
  })
  const program = ts.createProgram({
    rootNames: entries.map(({ file }) => file),
    options: {
      module: ts.ModuleKind.NodeNext,
      target: ts.ScriptTarget.ES2022,
      strict: true,
      types: ['node'],
      typeRoots: [join(directory, 'node_modules/@types')],
    },
  })
  const missing = entries.find(({ file }) => program.getSourceFile(file) === undefined)
  if (missing !== undefined) throw new Error(`${relative(process.cwd(), missing.file)} is not there: build first (pnpm build)`)
  const own = join(directory, 'dist') + sep
  const sections = entries.map(({ specifier, file }) => section(program, specifier, program.getSourceFile(file), own))
  const head = [`# ${name}`, 'Written by `pnpm check:api --update` from the emitted declarations; not by hand.']
  return {
    text: [...head, ...sections.map(({ text }) => text)].join('\n\n') + '\n',
    undocumented: [...new Set(sections.flatMap((one) => one.undocumented))],
  }
}

function section(program, specifier, source, own) {
  const checker = program.getTypeChecker()
  const resolve = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol)
  const moduleSymbol = checker.getSymbolAtLocation(source)
  const exported = (moduleSymbol === undefined ? [] : checker.getExportsOfModule(moduleSymbol)).toSorted(byName)
  const promised = new Set(exported.map(resolve))
  const ownDeclarations = (symbol) => {
    return (resolve(symbol).declarations ?? []).filter((one) => one.getSourceFile().fileName.startsWith(own))
  }
  const lines = exported.map((symbol) => {
    const ours = ownDeclarations(symbol)
    if (ours.length === 0) return `export { ${symbol.name} } // of another package`
    const renamed = resolve(symbol).name === symbol.name ? [] : [`export { ${resolve(symbol).name} as ${symbol.name} }`]
    return [...renamed, ...ours.map(textOf)].join('\n')
  })
  const reached = [...reachedFrom(promised, checker, resolve, own)]
    .toSorted(byName)
    .flatMap((symbol) => (symbol.declarations ?? []).map(textOf))
  const hidden = reached.length === 0 ? [] : ['Reached by these, and not exported:', code(reached)]
  const undocumented = exported.filter((symbol) => {
    return ownDeclarations(symbol).length > 0 && resolve(symbol).getDocumentationComment(checker).length === 0
  })
  return {
    text: [`## ${specifier}`, lines.length === 0 ? 'Exports nothing.' : code(lines), ...hidden].join('\n\n'),
    undocumented: undocumented.map((symbol) => symbol.name),
  }
}

/** Declarations of this package that the promised ones mention, directly or through one another. */
function reachedFrom(promised, checker, resolve, own) {
  const reached = new Set()
  const queue = [...promised]
  // Bounded: each symbol is looked into once.
  for (let symbol = queue.pop(); symbol !== undefined; symbol = queue.pop()) {
    for (const declaration of symbol.declarations ?? []) {
      if (declaration.getSourceFile().fileName.startsWith(own)) visit(declaration)
    }
  }
  return reached

  function visit(node) {
    if (ts.isIdentifier(node)) take(checker.getSymbolAtLocation(node))
    ts.forEachChild(node, visit)
  }

  function take(mentioned) {
    if (mentioned === undefined) return
    const symbol = resolve(mentioned)
    const declaration = symbol.declarations?.[0]
    if (declaration === undefined || promised.has(symbol) || reached.has(symbol)) return
    if (!isTopLevel(declaration) || !declaration.getSourceFile().fileName.startsWith(own)) return
    reached.add(symbol)
    queue.push(symbol)
  }
}

function isTopLevel(declaration) {
  const statement = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration
  return ts.isSourceFile(statement.parent)
}

/** A declaration without its comments, in the words of the emitted file. */
function textOf(declaration) {
  const statement = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration
  const printer = ts.createPrinter({ removeComments: true })
  return printer.printNode(ts.EmitHint.Unspecified, statement, statement.getSourceFile())
}

function code(lines) {
  return ['```ts', ...lines, '```'].join('\n')
}

function byName(left, right) {
  return left.name < right.name ? -1 : Number(left.name > right.name)
}
