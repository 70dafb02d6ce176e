import { Command } from 'commander'
import { addDeltaCommand } from './delta/delta-command.js'
import { addDemoCommand } from './demo/demo-command.js'
import { addDoctorCommand } from './doctor/doctor-command.js'
import { EXIT } from './errors.js'
import { addNodeCommands } from './node/commands.js'
import { addEndCommand } from './node/end-command.js'
import { addMigrateCommand } from './node/migrate-command.js'
import { addPsCommand } from './node/ps-command.js'
import { addRequestCommand } from './node/request-command.js'
import { addIdentityCommand } from './security/identity-command.js'
import { addTrustCommand } from './security/trust-command.js'
import { addTransferCommands } from './transfer/transfer-commands.js'

const EXIT_CODES = `
Exit status: ${EXIT.done} done, ${EXIT.failed} failed, ${EXIT.usage} wrong usage, ${EXIT.notHere} not possible on this host, ${EXIT.notVerified} the state is not right, ${EXIT.interrupted} interrupted.
Errors begin with a code; the README of @dwcp/cli has cause and remedy of each.`

/** Everything that `dwcp` understands. What a command needs is loaded when it runs, so that --help is quick. */
export function createProgram(version: string): Command {
  const program = new Command('dwcp')
    .description('Moves running programs, files and directories from one machine to another.')
    .version(version)
    .showHelpAfterError('(dwcp help <command> lists its options)')
    .addHelpText('after', EXIT_CODES)
    .exitOverride()
  addDemoCommand(program)
  addNodeCommands(program)
  addMigrateCommand(program)
  addPsCommand(program)
  addRequestCommand(program)
  addEndCommand(program)
  addTransferCommands(program)
  addDeltaCommand(program)
  addIdentityCommand(program)
  addTrustCommand(program)
  addDoctorCommand(program)
  return program
}
