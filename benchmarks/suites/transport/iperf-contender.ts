import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import type { Contender } from '../../harness/suite.js'

interface IperfReport {
  readonly end: {
    readonly sum_received: { readonly bytes: number; readonly seconds: number }
    readonly cpu_utilization_percent: { readonly host_total: number; readonly remote_total: number }
  }
}

/** iperf3 (C, no integrity check, zeros copied from one buffer): the reference for what loopback gives. */
export function iperfContender(streams: number, bytes: number): Contender {
  const run = async (): Promise<Record<string, number>> => {
    const server = spawn('stdbuf', ['-oL', 'iperf3', '-s', '-1', '-p', '15201', '-B', '127.0.0.1'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = once(server, 'exit')
    try {
      for await (const line of createInterface({ input: server.stdout })) if (line.includes('listening')) break
      server.stdout.resume()
      const { stdout } = await promisify(execFile)('iperf3', [
        '-c',
        '127.0.0.1',
        '-p',
        '15201',
        '-n',
        String(bytes),
        '-P',
        String(streams),
        '-J',
      ])
      return measurement(JSON.parse(stdout), bytes)
    } finally {
      server.kill()
      await ended
    }
  }
  return { name: `iperf3 ×${streams}`, ours: false, run }
}

function measurement({ end }: IperfReport, atLeast: number): Record<string, number> {
  const { bytes, seconds } = end.sum_received
  // It stops counting when its sender has written everything, with some megabytes still on the way.
  if (!(bytes > atLeast / 2)) throw new Error(`iperf3 delivered ${bytes} of ${atLeast} bytes`)
  const { host_total: here, remote_total: there } = end.cpu_utilization_percent
  return { goodput: bytes / seconds / 1e6, 'CPU of both ends': (((here + there) / 100) * seconds) / (bytes / 1e9) }
}
