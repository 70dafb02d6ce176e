#!/usr/bin/env node
import { runCommandLine } from './run-command-line.js'

// A reader that has seen enough, or a terminal that is gone: there is nobody left to tell, and what was begun is still put in order.
process.stdout.on('error', () => undefined)

void runCommandLine(process.argv.slice(2)).then((status) => {
  process.exitCode = status
})
