import { entropyBitsPerByte, randomBytes } from '../harness/data.js'
import { toolVersion } from '../harness/machine.js'
import type { Case, Contender, Metric, OpenCase, Suite } from '../harness/suite.js'
import { SEED } from './transport/carrier.js'
import { certificatesFor } from './transport/certificates.js'
import { iperfContender } from './transport/iperf-contender.js'
import { pairContender } from './transport/pair-contender.js'
import { loopbackMessagesCase } from './wan/messages.js'

const FULL_BYTES = 2 ** 30
const SHORT_BYTES = 32 * 2 ** 20

const METRICS: readonly Metric[] = [
  { name: 'goodput', unit: 'MB/s', better: 'higher', exact: false },
  { name: 'CPU of both ends', unit: 's/GB', better: 'lower', exact: false },
]

export const suite: Suite = {
  name: 'transport',
  purpose:
    'One object over loopback, from send to acknowledgement, between two processes: @dwcp/amst (digests verified) beside what Node and iperf3 do without any; and what requests wait for meanwhile.',
  tools: ['iperf3'],
  cases: async () => [
    transportCase('loopback, plaintext', false),
    transportCase('loopback, TLS 1.3', true),
    loopbackMessagesCase('requests beside an object and the encoder'),
  ],
}

function transportCase(name: string, encrypted: boolean): Case {
  return {
    name,
    metrics: METRICS,
    runs: 5,
    async open(context): Promise<OpenCase> {
      const bytes = context.short ? SHORT_BYTES : FULL_BYTES
      const stack: AsyncDisposable[] = []
      const close = async (): Promise<void> => {
        await Promise.all(stack.map((held) => held[Symbol.asyncDispose]()))
      }
      try {
        const contenders = encrypted ? await encryptedPairs(bytes, stack) : await plainPairs(bytes, stack)
        if (!encrypted) {
          if ((await toolVersion('iperf3')) === undefined) context.note('without iperf3: apt-get install -y iperf3')
          else contenders.push(iperfContender(1, bytes), iperfContender(4, bytes))
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

async function plainPairs(bytes: number, stack: AsyncDisposable[]): Promise<Contender[]> {
  return [
    await pairContender({ name: 'amst ×1', ours: true, carrier: 'amst', streams: 1, bytes }, stack),
    await pairContender({ name: 'amst ×4', ours: true, carrier: 'amst', streams: 4, bytes }, stack),
    await pairContender({ name: 'node:net ×1', ours: false, carrier: 'net', streams: 1, bytes }, stack),
  ]
}

async function encryptedPairs(bytes: number, stack: AsyncDisposable[]): Promise<Contender[]> {
  const certificates = await certificatesFor(['sender', 'receiver'])
  const sender = certificates.get('sender')
  const receiver = certificates.get('receiver')
  if (sender === undefined || receiver === undefined) throw new TypeError('two certificates were asked for')
  const tls = { sender, receiver }
  return [
    await pairContender({ name: 'amst ×1', ours: true, carrier: 'amst', streams: 1, bytes, tls }, stack),
    await pairContender({ name: 'amst ×4', ours: true, carrier: 'amst', streams: 4, bytes, tls }, stack),
    await pairContender({ name: 'node:tls ×1', ours: false, carrier: 'net', streams: 1, bytes, tls }, stack),
  ]
}
