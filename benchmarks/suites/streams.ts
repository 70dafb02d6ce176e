import { entropyBitsPerByte, randomBytes } from '../harness/data.js'
import { toolVersion } from '../harness/machine.js'
import type { Case, Contender, OpenCase, Suite } from '../harness/suite.js'
import { SEED } from './transport/carrier.js'
import { certificatesFor } from './transport/certificates.js'
import { iperfContender } from './transport/iperf-contender.js'
import { pairContender } from './transport/pair-contender.js'

const FULL_BYTES = 2 ** 30
const SHORT_BYTES = 32 * 2 ** 20

export const suite: Suite = {
  name: 'streams',
  purpose:
    'One connection of @dwcp/native-rdma/stream over loopback between two processes, digests or tags verified, beside what Node and iperf3 do without any.',
  tools: ['iperf3'],
  cases: async () => [streamCase('loopback, digests', false), streamCase('loopback, sealed', true)],
}

function streamCase(name: string, sealed: boolean): Case {
  return {
    name,
    metrics: [
      { name: 'goodput', unit: 'MB/s', better: 'higher', exact: false },
      { name: 'CPU of both ends', unit: 's/GB', better: 'lower', exact: false },
    ],
    runs: 5,
    async open(context): Promise<OpenCase> {
      const bytes = context.short ? SHORT_BYTES : FULL_BYTES
      const stack: AsyncDisposable[] = []
      const close = async (): Promise<void> => {
        await Promise.all(stack.map((held) => held[Symbol.asyncDispose]()))
      }
      try {
        const contenders = await pairs(bytes, sealed, stack)
        if (!sealed) {
          if ((await toolVersion('iperf3')) === undefined) context.note('without iperf3: apt-get install -y iperf3')
          else contenders.push(iperfContender(1, bytes))
        }
        const entropy = entropyBitsPerByte(randomBytes(SEED, 2 ** 20))
        return {
          data: { kind: 'random, repeated every 16 MiB', bytes, entropyBitsPerByte: entropy, seed: SEED },
          contenders,
          [Symbol.asyncDispose]: close,
        }
      } catch (cause) {
        await close()
        throw cause
      }
    },
  }
}

async function pairs(bytes: number, sealed: boolean, stack: AsyncDisposable[]): Promise<Contender[]> {
  const certificates = await certificatesFor(['sender', 'receiver'])
  const [sender, receiver] = [certificates.get('sender'), certificates.get('receiver')]
  if (sender === undefined || receiver === undefined) throw new TypeError('two certificates were asked for')
  const settings = { streams: 1, bytes, ...(sealed ? { tls: { sender, receiver } } : {}) }
  return [
    await pairContender({ name: 'stream, native', ours: true, carrier: 'frames', ...settings }, stack),
    await pairContender({ name: 'stream, JavaScript', ours: true, carrier: 'frames-js', ...settings }, stack),
    await pairContender({ name: sealed ? 'node:tls' : 'node:net', ours: false, carrier: 'net', ...settings }, stack),
  ]
}
