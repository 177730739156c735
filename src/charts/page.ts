import { createHash } from 'node:crypto'
import type { Json, JsonObject } from './chart.ts'

/** JSON inside a <script> element: nothing in it can end the element or open a comment. */
export function toScriptJson(value: Json): string {
  return JSON.stringify(value)
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029')
}

/** Safe as text and within double quotes; not within single quotes, a script or a style. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/** Only the scripts named by their hash run, and nothing is fetched: the policy has no network source at all. */
function contentPolicy(scripts: readonly string[]): string {
  const hashes = scripts.map(
    (script) => `'sha256-${createHash('sha256').update(script, 'utf8').digest('base64')}'`,
  )
  return `default-src 'none'; script-src ${hashes.join(' ')}; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'`
}

/** A script's text as it may stand inside <script>. */
export function toInlineScript(source: string): string {
  return source.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--')
}

/** The beginning of a page up to its title, which runs this one script. */
export function toPageHead(title: string, script: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy([script])}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>`
}

/** One file that opens from file:// and fetches nothing. `title` is plain text; `svg` goes in as it is and shows where scripts do not run. */
export function toStandalonePage(
  title: string,
  svg: string,
  spec: JsonObject,
  bundle: string,
): string {
  const script = toInlineScript(bundle)
  return `${toPageHead(title, script)}
<style>body{margin:1rem;font-family:'DejaVu Sans',Verdana,sans-serif}.chart{overflow-x:auto}</style>
</head>
<body>
<div class="chart" data-spec="spec-0">${svg}</div>
<script type="application/json" id="spec-0">${toScriptJson({ light: spec })}</script>
<script>${script}</script>
</body>
</html>
`
}
