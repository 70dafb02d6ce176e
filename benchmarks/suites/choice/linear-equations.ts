/** Solves `matrix · x = right`, a symmetric positive definite matrix by rows, by Cholesky's decomposition. Both are overwritten. */
export function solve(matrix: Float64Array, right: Float64Array): Float64Array {
  const size = right.length
  const at = (row: number, column: number): number => matrix[row * size + column] ?? 0
  for (let column = 0; column < size; column++) {
    for (let row = column; row < size; row++) {
      let sum = at(row, column)
      for (let before = 0; before < column; before++) sum -= at(row, before) * at(column, before)
      if (row === column && !(sum > 0)) throw new RangeError('the matrix is not positive definite')
      matrix[row * size + column] = row === column ? Math.sqrt(sum) : sum / at(column, column)
    }
  }
  for (let row = 0; row < size; row++) {
    let sum = right[row] ?? 0
    for (let before = 0; before < row; before++) sum -= at(row, before) * (right[before] ?? 0)
    right[row] = sum / at(row, row)
  }
  for (let row = size - 1; row >= 0; row--) {
    let sum = right[row] ?? 0
    for (let after = row + 1; after < size; after++) sum -= at(after, row) * (right[after] ?? 0)
    right[row] = sum / at(row, row)
  }
  return right
}
