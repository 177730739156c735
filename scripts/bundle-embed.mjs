// The browser's part of reports and charts, bundled ahead of time: at run time nothing is bundled and nothing is fetched.
import { build } from 'esbuild'

await build({
  entryPoints: ['src/charts/browser.mjs'],
  bundle: true,
  minify: true,
  format: 'iife',
  platform: 'browser',
  target: 'es2022',
  legalComments: 'none',
  banner: {
    js: '/* Contains vega, vega-lite and vega-embed (BSD-3-Clause, University of Washington Interactive Data Lab) and d3 (ISC, Mike Bostock). */',
  },
  outfile: process.argv[2] ?? 'dist/src/charts/embed.bundle.js',
})
