// A lint rule: a loop without a condition of its own says in a comment what bounds it, because input from a peer must
// never decide how long we run. `for (;;)` and `while (true)` need a comment with the word "bounded" or "until" on the
// line above or inside the head of the loop.
const BOUND = /\b(bounded|until|ends (when|with|at))\b/i

const boundedLoop = {
  create(context) {
    const source = context.sourceCode
    const check = (node) => {
      const around = [
        ...source.getCommentsBefore(node),
        ...source.getCommentsInside(node).filter((comment) => comment.loc.start.line <= node.loc.start.line + 1),
      ]
      if (around.some((comment) => BOUND.test(comment.value))) return
      context.report({ node, message: 'A loop without a condition: say in a comment on the line above what it is bounded by.' })
    }
    const endless = (test) => test === null || test === undefined || (test.type === 'Literal' && Boolean(test.value))
    return {
      ForStatement: (node) => endless(node.test) && check(node),
      WhileStatement: (node) => endless(node.test) && check(node),
      DoWhileStatement: (node) => endless(node.test) && check(node),
    }
  },
}

export default { meta: { name: 'dwcp' }, rules: { 'bounded-loop': boundedLoop } }
