import { PstraceError } from '../model/error.ts'

/** A kernel release as far as recipes depend on it. */
export interface Kernel {
  readonly major: number
  readonly minor: number
}

/** Struct offsets are known for these machines: 64-bit, 64 bytes of struct page. */
export const ARCHES = ['x86_64', 'arm64'] as const
export type Arch = (typeof ARCHES)[number]

/** Kernels whose functions and layouts the recipes know: the first and last of them. */
export const OLDEST: Kernel = { major: 4, minor: 9 }
export const NEWEST: Kernel = { major: 7, minor: 1 }

/** `6.12`, a `uname -r` such as `6.1.99-android14-11`, or Android's `android14-6.1`. */
export function parseKernel(text: string): Kernel {
  const found = /^(?:Linux\s+)?(?:android\d+-)?v?(\d{1,2})\.(\d{1,3})(?:[.\-+\s]|$)/.exec(
    text.trim(),
  )
  if (found === null)
    throw new PstraceError(
      'bad_kernel',
      `"${text}" is no kernel release; one such as 6.12 or 5.10.43-android12-9 was expected`,
      { exitStatus: 2 },
    )
  const kernel = { major: Number(found[1]), minor: Number(found[2]) }
  if (!isAtLeast(kernel, OLDEST) || !isAtLeast(NEWEST, kernel))
    throw new PstraceError(
      'unknown_kernel',
      `recipes are known for kernels ${toText(OLDEST)} to ${toText(NEWEST)}, not ${toText(kernel)}`,
      { exitStatus: 2 },
    )
  return kernel
}

/** `uname -m` has other names for the same machines. */
export function parseArch(text: string): Arch {
  if (text === 'x86_64' || text === 'amd64') return 'x86_64'
  if (text === 'arm64' || text === 'aarch64') return 'arm64'
  throw new PstraceError(
    'unknown_arch',
    `"${text}": struct offsets are known for ${ARCHES.join(' and ')} only`,
    { exitStatus: 2 },
  )
}

/** Compares release numbers only: what distributions brought back to an older kernel is not known. */
export function isAtLeast(kernel: Kernel, other: Kernel): boolean {
  return kernel.major > other.major || (kernel.major === other.major && kernel.minor >= other.minor)
}

/** As `parseKernel` reads it, e.g. `6.12`. */
export function toText({ major, minor }: Kernel): string {
  return `${major}.${minor}`
}
