import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FLAG_DEFAULTS, type FlaggedComponent, parseFlags, rolloutBucket, usesV3 } from './index.ts'

const COMPONENTS: readonly FlaggedComponent[] = ['transport', 'compression', 'prediction', 'stateSync', 'consensus', 'placement']
const code = expect.objectContaining({ code: 'ERR_CORE_FLAGS' })

describe('flags', () => {
  test('are all v3 where nothing is said', () => {
    expect(parseFlags('{}', 'f')).toEqual(FLAG_DEFAULTS)
    for (const component of COMPONENTS) expect(usesV3(FLAG_DEFAULTS, component, 'n')).toBe(true)
  })

  test('keep what is said', () => {
    expect(parseFlags('{"enableV3Transport":false,"v3RolloutPercentage":12.5,"forceV1Mode":true}', 'f')).toEqual({
      ...FLAG_DEFAULTS,
      enableV3Transport: false,
      v3RolloutPercentage: 12.5,
      forceV1Mode: true,
    })
  })

  test('refuse a key that does not exist, and name the nearest that does', () => {
    expect(() => parseFlags('{"enableV3Transprot":true}', 'f.json')).toThrow(code)
    expect(() => parseFlags('{"enableV3Transprot":true}', 'f.json')).toThrow(
      'f.json: there is no flag "enableV3Transprot"; did you mean "enableV3Transport"?',
    )
    expect(() => parseFlags('{"__proto__":true}', 'f.json')).toThrow(code)
    expect(() => parseFlags(`{"${'x'.repeat(100_000)}":true}`, 'f.json')).toThrow(code)
  })

  test('refuse values of another kind or out of range, and what is no JSON object', () => {
    for (const text of [
      '{"forceV1Mode":1}',
      '{"v3RolloutPercentage":101}',
      '{"v3RolloutPercentage":-1}',
      '{"v3RolloutPercentage":"50"}',
      '[]',
      'null',
      '7',
      '{',
      '',
    ]) {
      expect(() => parseFlags(text, 'f')).toThrow(code)
    }
  })

  test('the kill switch stands above everything', () => {
    const flags = { ...FLAG_DEFAULTS, forceV1Mode: true }
    for (const component of COMPONENTS) expect(usesV3(flags, component, 'n')).toBe(false)
  })

  test('each component has its own', () => {
    const flags = parseFlags('{"enableV3Compression":false}', 'f')
    expect(COMPONENTS.filter((component) => !usesV3(flags, component, 'n'))).toEqual(['compression'])
  })

  test('the bucket is FNV-1a modulo 100, as v1 computes it', () => {
    // Published vectors of FNV-1a, 32 bit: '' 811c9dc5, 'a' e40c292c, 'foobar' bf9cf968.
    expect(rolloutBucket('')).toBe(0x811c9dc5 % 100)
    expect(rolloutBucket('a')).toBe(0xe40c292c % 100)
    expect(rolloutBucket('foobar')).toBe(0xbf9cf968 % 100)
  })

  test('a node in the rollout at some percentage is in it at every higher one', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 100 }), (node, x, y) => {
        const at = (v3RolloutPercentage: number): boolean => usesV3({ ...FLAG_DEFAULTS, v3RolloutPercentage }, 'transport', node)
        if (at(Math.min(x, y))) expect(at(Math.max(x, y))).toBe(true)
        expect(at(0)).toBe(false)
        expect(at(100)).toBe(true)
      }),
    )
  })
})
