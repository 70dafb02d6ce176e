import { Model } from './model.js'
import { NO_PAYLOAD, type Payload } from './payload.js'
import { Rows } from './place.js'
import { type Coder, Learner } from './range-coder.js'
import { Budget, type Session } from './session.js'
import type { Node } from './tree.js'

/** In one direction or the other. */
export function codeNodes(
  model: Model,
  way: { readonly coder: Coder; readonly payload: Payload; readonly budget: Budget; readonly groupBy: string | undefined },
  formers: readonly (Node | undefined)[],
  nodes: Node[],
): Node[] {
  const session: Session = { ...way, shared: model.shared, once: model.once, texts: model.texts }
  const rows = new Rows()
  for (const [index, node] of nodes.entries()) rows.add(node, formers[index], 0, nodes, index)
  model.root.code(session, rows, 0)
  return nodes
}

/** A model that has seen these documents. */
export function learned(nodes: readonly Node[]): Model {
  const model = new Model()
  codeNodes(
    model,
    {
      coder: new Learner(),
      payload: NO_PAYLOAD,
      budget: new Budget(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY),
      groupBy: undefined,
    },
    [],
    [...nodes],
  )
  return model
}
