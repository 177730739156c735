// tsc copies no assets: the SQL of the analysis views travels beside the compiled modules.
import { chmodSync, cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'

const dist = process.argv[2] ?? 'dist'

for (const folder of ['src/analysis', 'src/charts', 'src/report']) {
  if (!existsSync(folder)) continue
  cpSync(folder, join(dist, folder), {
    recursive: true,
    filter: (path) => !path.endsWith('.ts') && !path.endsWith('.mjs'),
  })
}
const binary = join(dist, 'src/cli/main.js')
if (existsSync(binary)) chmodSync(binary, 0o755)
