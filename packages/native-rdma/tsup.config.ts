import { defineConfig } from 'tsup'

export default defineConfig({
  entry: [
    'src/index.ts',
    'src/chunk.ts',
    'src/codec.ts',
    'src/delta.ts',
    'src/hash.ts',
    'src/lock.ts',
    'src/socket.ts',
    'src/stream.ts',
    'src/memory.ts',
  ],
  format: ['esm', 'cjs'],
  dts: false,
  shims: true,
  sourcemap: true,
  clean: true,
  target: 'node20',
  treeshake: true,
})
