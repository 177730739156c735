import { describe, expect, it } from 'vitest'
import { parseUname } from '../../parsers/index.ts'

describe('uname -a', () => {
  it.each([
    [
      'Linux (none) 6.12.95+deb12-amd64 #1 SMP PREEMPT_DYNAMIC Debian 6.12.95-1 (2026-07-05) x86_64 GNU/Linux\n',
      { kernelRelease: '6.12.95+deb12-amd64', arch: 'x86_64' },
    ],
    [
      'Linux localhost 5.10.157-android13-4 #1 SMP PREEMPT Thu Mar 2 12:00:00 UTC 2023 aarch64 Toybox',
      { kernelRelease: '5.10.157-android13-4', arch: 'aarch64' },
    ],
    ['Linux router 4.14.90 #1 mips GNU/Linux', { kernelRelease: '4.14.90' }],
    ['', {}],
  ])('%j names the release, and the machine where it is one that is known', (text, expected) => {
    expect(parseUname(text)).toEqual(expected)
  })
})
