import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts'],
  format: ['esm', 'cjs'],
  dts: false,
  shims: true,
  sourcemap: true,
  clean: true,
  target: 'node20',
  treeshake: true,
})
