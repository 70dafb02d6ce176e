import type { Clock, NodeId, RateAdvisor } from '@dwcp/interface'
import { LinkSampler } from './link-sampler.js'
import type { TcpSession } from './session.js'

/** What a transport tells an advisor, and takes from it: measurements and what waits for the one, caps of the classes for the other. */
export type LinkAdvisor = Pick<RateAdvisor, 'observe'> & Partial<Pick<RateAdvisor, 'demand' | 'rates'>>

const SAMPLE_MS = 1000
/** Advice is to count within a few round trips. */
const ADVICE_MS = 100

/** The links of one transport and their advisor. */
export class AdvisedLinks implements Disposable {
  readonly #advisor: LinkAdvisor
  readonly #clock: Clock
  readonly #links = new Map<NodeId, { readonly session: TcpSession; readonly sampler: LinkSampler }>()
  #sampling: Disposable | undefined
  #advising: Disposable | undefined

  constructor(advisor: LinkAdvisor, clock: Clock) {
    this.#advisor = advisor
    this.#clock = clock
    this.#sampleLater()
    if (advisor.rates) this.#adviseLater()
  }

  up(session: TcpSession): void {
    const { nodeId } = session.peer
    this.#links.set(nodeId, { session, sampler: new LinkSampler(nodeId, session, this.#clock, this.#advisor) })
    this.#advise(nodeId, session)
  }

  down(peer: NodeId): void {
    this.#links.delete(peer)
  }

  sample(peer: NodeId): void {
    this.#links.get(peer)?.sampler.sample()
  }

  [Symbol.dispose](): void {
    this.#sampling?.[Symbol.dispose]()
    this.#advising?.[Symbol.dispose]()
  }

  #sampleLater(): void {
    this.#sampling = this.#clock.after(SAMPLE_MS, () => {
      for (const [link, { session, sampler }] of this.#links) {
        sampler.sample()
        for (const [name, backlogBytes] of session.backlogBytes) this.#advisor.demand?.(link, { class: name, backlogBytes })
      }
      this.#sampleLater()
    })
  }

  #adviseLater(): void {
    this.#advising = this.#clock.after(ADVICE_MS, () => {
      for (const [link, { session }] of this.#links) this.#advise(link, session)
      this.#adviseLater()
    })
  }

  #advise(link: NodeId, session: TcpSession): void {
    const rates = this.#advisor.rates?.(link)
    if (rates) session.advise(rates)
  }
}
