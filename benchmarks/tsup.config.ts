import { defineConfig } from 'tsup'

/** Not bundled: the suites start each other's files as processes, so dist mirrors the folders. */
export default defineConfig({
  entry: ['{corpora,harness,suites,wanlab}/**/*.ts', '!**/*.test.ts'],
  outDir: 'dist',
  format: ['esm'],
  bundle: false,
  dts: false,
  // Not cleaned: a benchmark may be running from here.
  clean: false,
  silent: true,
  target: 'node20',
  esbuildOptions(options) {
    options.outbase = '.'
  },
})
