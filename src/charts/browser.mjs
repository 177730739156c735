// Runs in the reader's browser: turns each drawn chart into an interactive one. Without scripts the drawn chart stays.
import embed from 'vega-embed'

const dark = matchMedia('(prefers-color-scheme: dark)')
const elements = [...document.querySelectorAll('[data-spec]')]

async function show(element) {
  const {
    light,
    dark: night,
    datasets,
  } = JSON.parse(document.getElementById(element.dataset.spec).textContent)
  const chosen = document.documentElement.dataset.theme
  const isDark = chosen ? chosen === 'dark' : dark.matches
  const spec = isDark && night ? night : light
  const place = document.createElement('div')
  // The interpreter needs no eval, which the page's content policy forbids.
  await embed(
    place,
    { ...spec, datasets: datasets ?? spec.datasets },
    {
      ast: true,
      renderer: 'svg',
      actions: { export: true, source: false, compiled: false, editor: false },
      downloadFileName: element.dataset.name ?? 'pstrace',
      loader: { load: () => Promise.reject(new Error('this page loads nothing')) },
    },
  )
  element.replaceChildren(place)
  element.dataset.interactive = isDark ? 'dark' : 'light'
}

async function showAll() {
  for (const element of elements) {
    try {
      await show(element)
    } catch (error) {
      element.dataset.failed = String(error)
    }
  }
  document.documentElement.dataset.ready = String(elements.length)
}

dark.addEventListener('change', showAll)
for (const button of document.querySelectorAll('[data-set-theme]')) {
  button.addEventListener('click', () => {
    document.documentElement.dataset.theme = button.dataset.setTheme
    showAll()
  })
}
showAll()
