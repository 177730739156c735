const MACHINE = /^(x86_64|aarch64|armv\w+|i[3-6]86|riscv64|s390x|ppc64le)$/

/** What `uname -a` printed: system, node, release, version ..., machine, operating system. */
export function parseUname(text: string): { kernelRelease?: string; arch?: string } {
  const words = text.trim().split(/\s+/)
  const [, , kernelRelease] = words
  const arch = words.find((word) => MACHINE.test(word))
  return {
    ...(kernelRelease === undefined ? {} : { kernelRelease }),
    ...(arch === undefined ? {} : { arch }),
  }
}
