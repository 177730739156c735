import { describe, expect, it } from 'vitest'
import {
  findDebianRelease,
  formatRelease,
  hasChange,
  type KernelRelease,
  parseKernelRelease,
} from '../../src/model/kernel-release.ts'

describe('a release', () => {
  it.each([
    ['6.12.95+deb12-amd64', '6.12.95'],
    ['6.6.30-android15-8-g2c3d4e5-ab12345678-4k', '6.6.30'],
    ['6.6.9-200.fc39.x86_64', '6.6.9'],
    ['6.12.0', '6.12.0'],
    ['6.13.0-rc3+', '6.13.0'],
    ['7.0', '7.0'],
    // The third number counts interfaces of the distribution's.
    ['6.1.0-55-amd64', '6.1'],
    ['6.8.0-31-generic', '6.8'],
    ['5.14.0-362.el9.x86_64', '5.14'],
  ])('%s is %s', (text, release) => {
    expect(formatRelease(parseKernelRelease(text) as KernelRelease)).toBe(release)
  })

  it('of something else is none', () => {
    expect(parseKernelRelease('FreeBSD')).toBeUndefined()
    expect(parseKernelRelease('')).toBeUndefined()
  })

  it("stands in Debian's uname -v", () => {
    const line = 'Linux (none) 6.1.0-55-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1 (2026-11-14)'
    expect(findDebianRelease(line)).toBe('6.1.192')
    expect(findDebianRelease('Linux pixel 6.6.30-android15 #1 SMP PREEMPT')).toBeUndefined()
  })
})

it('a change is in its series, in those after it, and in stable releases that took it over', () => {
  const change = { series: '6.15', stable: { '6.12': 31 } }
  const has = (text: string) => hasChange(parseKernelRelease(text) as KernelRelease, change)
  expect(['6.15.0', '6.16.1', '7.0', '6.12.31', '6.12.95'].map(has)).toEqual(Array(5).fill(true))
  expect(['6.12.30', '6.14.99', '6.13.40', '6.9.31'].map(has)).toEqual(Array(4).fill(false))
  // Not known which of 6.12: a late one.
  expect(has('6.12')).toBe(true)
  expect(has('6.14')).toBe(false)
})
