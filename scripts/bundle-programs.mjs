// The command line, the library, and what threads are started with.
import { bundle } from './bundle.mjs'

await bundle(
  [
    'src/cli/main',
    // For processes that run many commands.
    'src/cli/program',
    'src/index',
    'parsers/index',
    'src/database/writer-thread',
    // A worker is told by address where policies and codecs are.
    'src/threads/worker',
    'src/policies/index',
    'src/memory/codecs/index',
  ],
  process.argv[2] ?? 'dist',
)
