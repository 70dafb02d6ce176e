/** The names of the objects that a tree is made of. */
export const TREE = 'tree'
export const ANSWERS = 'tree.answers'
export const PACK = 'tree.pack'
export const FILE = 'tree.file'
/** The channel of questions for trees. */
export const GET = 'tree.get'
