import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** Where V8 writes what ran in the threads and processes that tests start; set by scripts/test.mjs. */
const coverageDirectory = process.env['DWCP_COVERAGE_DIRECTORY']

/** The settings every package's tests share: siblings are read from source, so that no test needs a built sibling. */
export function project(name: string): ViteUserConfig {
  return defineConfig({
    ssr: { resolve: { conditions: ['@dwcp/source', 'node', 'import', 'module', 'default'] } },
    test: {
      name,
      include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
      testTimeout: 30_000,
      env: coverageDirectory === undefined ? {} : { NODE_V8_COVERAGE: coverageDirectory },
    },
  })
}
