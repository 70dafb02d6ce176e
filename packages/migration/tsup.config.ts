import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts'],
  format: ['esm', 'cjs'],
  dts: false,
  shims: true,
  sourcemap: true,
  // The programs and the worker have build steps of their own, which skip what is up to date.
  clean: ['!workloads', '!workloads/**', '!wasm-worker*'],
  target: 'node20',
  treeshake: true,
})
