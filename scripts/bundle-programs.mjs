// The command line, the library, and what threads are started with.
import { rmSync } from 'node:fs'
import { bundleLibrary, bundlePrograms } from './bundle.mjs'

const outdir = process.argv[2] ?? 'dist'

rmSync(`${outdir}/chunks`, { recursive: true, force: true })
await bundlePrograms(
  [
    'src/cli/main',
    // For processes that run many commands.
    'src/cli/program',
    'src/database/writer-thread',
    // A worker is told by address where policies and codecs are.
    'src/threads/worker',
    'src/policies/index',
    'src/memory/codecs/index',
  ],
  outdir,
)
await bundleLibrary(['src/index', 'parsers/index'], outdir)
