/** How one column stands. */
export interface Column {
  readonly title: string
  /** @defaultValue 'left' */
  readonly align?: 'left' | 'right'
}

/** Lines of a table with a title line, columns as wide as their widest cell, two spaces apart. Cells are plain text. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): readonly string[] {
  const lines = [columns.map(({ title }) => title), ...rows]
  const widths = columns.map((_, index) => Math.max(...lines.map((cells) => cells[index]?.length ?? 0)))
  return lines.map((cells) => {
    const padded = columns.map(({ align }, index) => {
      const [cell, width] = [cells[index] ?? '', widths[index] ?? 0]
      return align === 'right' ? cell.padStart(width) : cell.padEnd(width)
    })
    return padded.join('  ').trimEnd()
  })
}
