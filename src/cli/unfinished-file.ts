import { spawn } from 'node:child_process'

/**
 * While a replay computes, nothing in this process sees a signal that ends it: a shell, which waits for the end of its input and so for the
 * end of this process, takes the unfinished file away. Returns what sends the shell home, when the file has its name or is gone.
 */
export function removeWhenKilled(path: string): () => void {
  const shell = spawn('sh', ['-c', 'read -r _; rm -f -- "$0"', path], {
    // Ctrl-C in a terminal goes to the whole group.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Where there is no shell, the file stays.
  shell.on('error', () => {})
  shell.unref()
  if ('unref' in shell.stdin && typeof shell.stdin.unref === 'function') shell.stdin.unref()
  return () => {
    shell.kill('SIGKILL')
  }
}
