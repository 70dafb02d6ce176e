import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/delta.ts', 'src/transfer.ts'],
  format: ['esm', 'cjs'],
  dts: false,
  shims: true,
  sourcemap: true,
  clean: true,
  target: 'node20',
  treeshake: true,
})
