/** Colours follow the reader's scheme unless a button chose one. */
const LIGHT = `--paper:#ffffff;--ink:#1d2329;--faint:#56616d;--line:#d9dfe5;--stripe:#f5f7f9;--link:#005a8f;--alarm:#b3261e;--good:#0b6b4f;color-scheme:light`
const DARK = `--paper:#161b21;--ink:#e8edf2;--faint:#a3afbb;--line:#333d47;--stripe:#1d242c;--link:#7cc4f5;--alarm:#ff8a80;--good:#5fd3ad;color-scheme:dark`

export const STYLE = `
:root{${LIGHT}}
@media (prefers-color-scheme:dark){:root{${DARK}}}
:root[data-theme=light]{${LIGHT}}
:root[data-theme=dark]{${DARK}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:66rem;padding:1rem 1.25rem 4rem;background:var(--paper);color:var(--ink);font:15px/1.5 'DejaVu Sans',Verdana,system-ui,sans-serif}
h1{font-size:1.5rem;margin:.2rem 0 .8rem;overflow-wrap:anywhere}
h2{font-size:1.12rem;margin:2.4rem 0 .5rem}
a{color:var(--link)}
header{border-bottom:1px solid var(--line);padding-bottom:.8rem;position:relative}
.themes{margin-top:.7rem}
.themes button{font:inherit;font-size:.8rem;color:var(--ink);background:var(--stripe);border:1px solid var(--line);border-radius:4px;padding:.15rem .6rem;margin-right:.4rem;cursor:pointer}
.facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.15rem .9rem;margin:0;font-size:.88rem}
.facts dt{color:var(--faint)}
.facts dd{margin:0;overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:.2rem .9rem;margin:.8rem 0;font-size:.85rem}
.wide,.chart{overflow-x:auto;max-width:100%}
table{border-collapse:collapse;font-size:.84rem;font-variant-numeric:tabular-nums}
th,td{padding:.28rem .7rem .28rem 0;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
thead th{color:var(--faint);font-weight:normal;white-space:nowrap}
tbody th{font-weight:normal}
.group th{font-weight:bold;padding-top:.9rem}
.number{text-align:right;white-space:nowrap;padding-left:.7rem}
.unit,.unknown,.note,.reading,.missing{color:var(--faint)}
.note,.reading,.missing{font-size:.84rem;max-width:52rem}
td small{display:inline-block;min-width:4.1em;padding-left:.5em;color:var(--faint);font-size:.78rem}
.fails td:last-child,.fails td:first-child{color:var(--alarm)}
.holds td:last-child{color:var(--good)}
.chart{position:relative;margin:.4rem 0;padding-bottom:.3rem}
.chart svg.marks,.chart>svg{display:block;max-width:max(100%,52rem);height:auto}
.chart .vega-embed{display:block;padding-right:38px}
.chart .vega-embed summary{opacity:.55}
p.answer{margin:.25rem 0;max-width:56rem}
.answer+div{margin-top:.9rem}
ul{padding-left:1.1rem;font-size:.9rem;max-width:52rem}
@media print{nav,.themes{display:none}}
`
