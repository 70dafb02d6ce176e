import { mergeConfig } from 'vitest/config'
import { project } from '../../vitest.shared.ts'

export default mergeConfig(project('@dwcp/migration'), { test: { globalSetup: ['scripts/test-setup.mjs'] } })
