import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** The settings every package's tests share: siblings are read from source, so that no test needs a built sibling. */
export function project(name: string): ViteUserConfig {
  return defineConfig({
    ssr: { resolve: { conditions: ['@dwcp/source', 'node', 'import', 'module', 'default'] } },
    test: { name, include: ['src/**/*.test.ts', 'test/**/*.test.ts'], testTimeout: 30_000 },
  })
}
