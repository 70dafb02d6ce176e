import { type Command, InvalidArgumentError } from 'commander'
import type { GetFlags } from './get.js'
import { TRANSFER_PORT } from './location.js'
import type { SendFlags } from './send.js'
import type { ServeFlags } from './serve.js'
import { V1_PORT } from './serve-v1.js'
import { addCopyFlags, addStoreFlags, addTransferFlags, parsePort } from './transfer-flags.js'

const RESUME = 'Run again after anything went wrong: what is there is not sent again, and large files go on where they were.'

const SERVE_EXAMPLES = `
Examples:
  dwcp serve --dir backups --port ${TRANSFER_PORT} --host 0.0.0.0 --tls-key k.pem --tls-cert c.pem --tls-ca ca.pem
  dwcp serve --dir music --read-only`

const SEND_EXAMPLES = `
Examples:
  dwcp send photos disk.img dwcp://backup.example:${TRANSFER_PORT}/from-laptop --tls-key k.pem --tls-cert c.pem --tls-ca ca.pem
  dwcp send photos/ dwcp://localhost/photos      what is in photos, and not the folder itself
  dwcp send photos me@nas:backups                over ssh: no server and no certificates are needed
  dwcp send --v1 disk.img dwcp://old-node:9000 --plain`

const GET_EXAMPLES = `
Examples:
  dwcp get dwcp://backup.example:${TRANSFER_PORT}/from-laptop/photos . --tls-key k.pem --tls-cert c.pem --tls-ca ca.pem
  dwcp get dwcp://localhost/ everything          all that is served there
  dwcp get me@nas:backups/photos .               over ssh`

/** What a command does is loaded when it runs. */
export function addTransferCommands(program: Command): void {
  addStoreFlags(addTransferFlags(program.command('serve')))
    .summary('let others send files into a directory, and get them from it')
    .description(
      'Lets peers send files and directories into a directory and get them from it; nothing outside of it is read or written. Without TLS it is for this machine alone.',
    )
    .requiredOption('--dir <directory>', 'what is served')
    .option('--address <ip...>', 'other addresses of this host: files come and go over these paths too')
    .option('--read-only', 'nothing is stored')
    .option('--invite', 'lets nodes join the cluster here by a token, and prints one; --identity has the authority')
    .option('--host <address>', 'where to listen', '127.0.0.1')
    .option('--port <number>', 'where to listen; 0: any that is free', parsePort, TRANSFER_PORT)
    .option('--v1 [port]', `takes files from v1 senders too, on a port of its own, ${V1_PORT} unless another is named`, parsePort)
    .option('--v1-from <network...>', 'v1 senders to take, such as 10.0.0.0/24, where everyone is trusted: v1 has no TLS')
    .option('--max-entries <number>', 'files, directories and links of one tree', parseCount)
    .option('--max-size <bytes>', 'what all files of one tree hold together, such as 100GiB')
    .addHelpText('after', SERVE_EXAMPLES)
    .action(async (flags: ServeFlags) => (await import('./serve.js')).serveDirectory(flags))
  addStoreFlags(addCopyFlags(program.command('send')), 'symbolic links that an agent over ssh takes')
    .summary('send files and directories')
    .option('--v1', 'to a v1 node: one file, without a name, TLS, checksums or resumption')
    .usage('[options] <path...> <destination>')
    .description(`Sends files and directories, with names, modes, times and links. ${RESUME}`)
    .argument(
      '<path...>',
      'what to send; of a directory with a slash at its end, what is in it. Last: dwcp://host:port/directory, or user@host:directory',
    )
    .addHelpText('after', SEND_EXAMPLES)
    .action(async (words: readonly string[], flags: SendFlags) => (await import('./send.js')).sendPaths(words, flags))
  addStoreFlags(addCopyFlags(program.command('get')))
    .summary('get files and directories')
    .usage('[options] <source...> <directory>')
    .description(`Gets files and directories, with names, modes, times and links. ${RESUME}`)
    .argument(
      '<source...>',
      'dwcp://host:port/path or user@host:path, of one host; with a slash at its end, what is in it. Last: the directory to put it into',
    )
    .addHelpText('after', GET_EXAMPLES)
    .action(async (words: readonly string[], flags: GetFlags) => (await import('./get.js')).getPaths(words, flags))
  program.command('transfer-agent', { hidden: true }).action(async () => (await import('./ssh/agent.js')).runAgent())
}

function parseCount(text: string): number {
  const count = Number(text)
  if (!/^\d+$/.test(text) || count < 1 || count > 0xffff_ffff) throw new InvalidArgumentError('Write a number from 1 to 4294967295.')
  return count
}
