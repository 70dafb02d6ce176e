import { defineConfig } from 'vitest/config'

export default defineConfig({
  ssr: { resolve: { conditions: ['@dwcp/source', 'node', 'import', 'module', 'default'] } },
  test: {
    name: 'benchmarks',
    include: ['{corpora,wanlab,harness,suites}/**/*.test.ts'],
    globalSetup: ['./vitest.build.ts'],
    testTimeout: 30_000,
  },
})
