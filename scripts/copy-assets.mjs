// tsc copies no assets: the SQL of the analysis views travels beside the compiled modules.
import { chmodSync, cpSync, existsSync } from 'node:fs'

for (const folder of ['src/analysis', 'src/charts', 'src/report']) {
  if (!existsSync(folder)) continue
  cpSync(folder, `dist/${folder}`, {
    recursive: true,
    filter: (path) => !path.endsWith('.ts') && !path.endsWith('.mjs'),
  })
}
if (existsSync('dist/src/cli/main.js')) chmodSync('dist/src/cli/main.js', 0o755)
