/** Version of a kernel as kernel.org counts them: 6.12.95 is the stable release 95 of the series 6.12. */
export interface KernelRelease {
  /** 1000 * major + minor. */
  readonly series: number
  /** undefined = not known: distributions put numbers of their own in its place. */
  readonly stable: number | undefined
}

/** A change to the kernel: the series that began with it, and the stable releases of earlier ones that took it over. */
export interface KernelChange {
  readonly series: string
  readonly stable?: Readonly<Record<string, number>>
}

/** Reads `uname -r`; undefined = no release of Linux. */
export function parseKernelRelease(text: string): KernelRelease | undefined {
  const match = /^(\d+)\.(\d+)(?:\.(\d+)(-\d)?)?/.exec(text)
  if (match === null) return undefined
  const [, major, minor, stable, abi] = match
  // 6.1.0-55-amd64, 6.8.0-31-generic, 5.14.0-362.el9: the third number says nothing.
  const isAbi = stable === '0' && abi !== undefined
  return {
    series: 1000 * Number(major) + Number(minor),
    stable: stable === undefined || isAbi ? undefined : Number(stable),
  }
}

/** As kernel.org writes it, as far as it is known. */
export function formatRelease({ series, stable }: KernelRelease): string {
  const name = `${Math.floor(series / 1000)}.${series % 1000}`
  return stable === undefined ? name : `${name}.${stable}`
}

/** Debian tells the stable release in what `uname -v` says: `#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1 (2026-11-14)`. */
export function findDebianRelease(uname: string): string | undefined {
  return /\bDebian (\d+\.\d+\.\d+)-/.exec(uname)?.[1]
}

/** Where the stable release is not known it is taken for a late one, which has what was taken over. */
export function hasChange({ series, stable }: KernelRelease, change: KernelChange): boolean {
  if (series >= seriesOf(change.series)) return true
  for (const [name, first] of Object.entries(change.stable ?? {}))
    if (series === seriesOf(name)) return stable === undefined || stable >= first
  return false
}

function seriesOf(name: string): number {
  const [major, minor] = name.split('.')
  return 1000 * Number(major) + Number(minor)
}
