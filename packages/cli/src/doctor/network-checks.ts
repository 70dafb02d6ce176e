import { once } from 'node:events'
import { constants } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { descriptorOf, getCongestionControl, setCongestionControl } from '@dwcp/native-rdma'
import { type Examination, missing, ok, warning } from './check.js'
import { hostCommand, hostFile } from './host-command.js'

export const networkChecks: readonly Examination[] = [
  {
    id: 'bbr',
    title: 'BBR',
    find: async () => {
      const available = (await hostFile('/proc/sys/net/ipv4/tcp_available_congestion_control')) ?? ''
      const set = await setOnSocket('bbr')
      if (set === 'bbr') return ok('set on a socket and read back')
      const remedy = 'modprobe tcp_bbr; not as root: add it to net.ipv4.tcp_allowed_congestion_control'
      return missing(
        `a socket stays at ${set ?? 'what the kernel chose'}; the kernel offers ${available || 'nothing that we can read'}`,
        remedy,
      )
    },
  },
  {
    id: 'ktls',
    title: 'kernel TLS',
    find: async () => {
      const available = await hostFile('/proc/sys/net/ipv4/tcp_available_ulp')
      if (available?.split(/\s+/).includes('tls')) return ok('the kernel offers it (tcp_available_ulp); nothing here uses it yet')
      return missing(`tcp_available_ulp: ${available || 'nothing'}`, 'modprobe tls; TLS records are made in user space meanwhile')
    },
  },
  {
    id: 'rdma',
    title: 'RDMA',
    find: async () => {
      const devices = await readdir('/sys/class/infiniband').catch(() => [])
      const cache = (await hostCommand('/sbin/ldconfig', '-p'))?.stdout ?? ''
      const libraries = ['libfabric.so.1', 'libibverbs.so.1']
        .map((name) => `${name} ${cache.includes(name) ? 'is here' : 'is not here'}`)
        .join(', ')
      if (devices.length > 0) return ok(`${devices.join(', ')}; ${libraries}; nothing here uses it yet`)
      return missing(
        `no device in /sys/class/infiniband; ${libraries}`,
        'needs such hardware, or modprobe rdma_rxe for one in software; TCP is used',
      )
    },
  },
  {
    id: 'mptcp',
    title: 'MPTCP',
    find: async () => {
      const enabled = await hostFile('/proc/sys/net/mptcp/enabled')
      if (enabled === '1') return ok('enabled in the kernel; node opens no MPTCP sockets by itself')
      return missing(enabled === undefined ? 'the kernel was built without it' : 'net.mptcp.enabled is 0', 'sysctl net.mptcp.enabled=1')
    },
  },
  { id: 'namespaces', title: 'network namespaces', find: tryNamespace },
  {
    id: 'tun',
    title: 'TUN device',
    find: async () => {
      const remedy = 'for the WAN lab: modprobe tun, as root; give a container --device /dev/net/tun'
      try {
        await (await open('/dev/net/tun', constants.O_RDWR)).close()
        return ok('/dev/net/tun opens')
      } catch (error) {
        return missing(error instanceof Error ? error.message : String(error), remedy)
      }
    },
  },
]

/** What a connected socket says after it was asked to use `name`. */
async function setOnSocket(name: string): Promise<string | undefined> {
  const server = createServer((peer) => peer.on('error', () => peer.destroy()).resume())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') return undefined
  const socket = connect(address.port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    const descriptor = descriptorOf(socket)
    if (descriptor === undefined) return undefined
    setCongestionControl(descriptor, name)
    return getCongestionControl(descriptor)
  } finally {
    socket.destroy()
    server.close()
  }
}

async function tryNamespace(): ReturnType<Examination['find']> {
  if (process.geteuid?.() !== 0) return missing('not tried: this is not root', 'for the WAN lab: run as root')
  const name = `dwcp-doctor-${process.pid}`
  const made = await hostCommand('ip', 'netns', 'add', name)
  if (made === undefined) return missing('the command ip is not here', 'apt-get install iproute2')
  if (made.failed !== undefined) return missing(made.failed, 'for the WAN lab: give a container --cap-add NET_ADMIN,SYS_ADMIN')
  const removed = await hostCommand('ip', 'netns', 'del', name)
  return removed?.failed === undefined
    ? ok('made one and removed it')
    : warning(`made ${name}; removing it: ${removed.failed}`, `ip netns del ${name}`)
}
