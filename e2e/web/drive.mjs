// Drives the pages. Scenes are in scenes.mjs; this file starts the server and
// the browser, and knows how to look: widths, colours, languages, axe, pictures.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'
import { looks, tasks } from './scenes.mjs'

const wanted = process.argv[2] ?? ''
const screens = new URL('../../dist/screens/', import.meta.url).pathname
const axe = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')

const demo = spawn(new URL('../../dist/pages-demo', import.meta.url).pathname, { stdio: ['ignore', 'pipe', 'inherit'] })
const line = await new Promise(done => createInterface(demo.stdout).once('line', done))
const { port, board, passphrase } = JSON.parse(line)
const at = (device, path) => `http://127.0.0.${device}:${port}${path}`
const set = async (path, query = {}) => {
  const answer = await fetch(`http://127.0.0.1:${board}${path}?${new URLSearchParams(query)}`)
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`)
  return answer.text()
}

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    // The names that a page makes up are found at Ana's tablet's address, whoever asks.
    '--host-resolver-rules=MAP *.probe.treehouse.home.arpa 127.0.0.2'],
})
let failures = 0
const fail = (where, what) => { failures++; console.error(`FAIL ${where}: ${what}`) }

// The ways to look at a page. Each page and state is seen in all of them.
const views = [
  { name: 'light', width: 1100 },
  { name: 'dark', width: 1100, dark: true },
  { name: 'small', width: 320 },
  { name: 'rtl', width: 1100, language: 'ar' },
  { name: 'rtl-small-dark', width: 320, language: 'ar', dark: true },
]

const open = async ({ width = 390, dark = false, language = 'en', script = true, device = 4 } = {}) => {
  const context = await browser.newContext({
    viewport: { width, height: 800 }, colorScheme: dark ? 'dark' : 'light', locale: language, javaScriptEnabled: script, reducedMotion: 'reduce', bypassCSP: false,
  })
  const page = await context.newPage()
  page.on('console', m => { if (m.type() === 'error' && !/status of 4\d\d/.test(m.text()) && !page.outside) fail(page.url(), m.text()) })
  page.on('request', r => { if (!/^(http:\/\/127\.0\.0\.|http:\/\/[a-z2-7]+-\d\.probe\.treehouse\.home\.arpa:|data:)/.test(r.url()) && !page.outside) fail(page.url(), `asks for ${r.url()}`) })
  page.device = device
  page.go = path => page.goto(at(device, path), { waitUntil: 'domcontentloaded' })
  page.signIn = async () => {
    await page.go('/login')
    await page.fill('#passphrase', passphrase)
    await page.locator('main button.primary').click()
    await page.waitForURL(u => u.pathname !== '/login')
  }
  return page
}

const look = async (page, name) => {
  await page.screenshot({ path: `${screens}${name}.png`, fullPage: true })
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  if (wide > 0) fail(name, `scrolls sideways by ${wide} px`)
  const small = await page.evaluate(() => [...document.querySelectorAll('button, summary, select, input:not([type=hidden]), a')].filter(e => {
    const r = e.getBoundingClientRect(), inline = e.tagName === 'A' && getComputedStyle(e).display === 'inline'
    const least = e.tagName === 'BUTTON' || e.classList.contains('button') ? 44 : 24
    return r.width > 1 && !inline && !e.closest('label') && (r.height < least - .5 || r.width < 24)
  }).map(e => e.outerHTML.slice(0, 80)))
  for (const s of small) fail(name, `too small to touch: ${s}`)
  // The content policy forbids scripts of others, axe among them: it is run from outside.
  const session = await page.context().newCDPSession(page)
  const run = async expression => {
    const r = await session.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
    if (r.exceptionDetails) throw new Error(r.exceptionDetails.exception?.description ?? r.exceptionDetails.text)
    return r.result.value
  }
  await run(axe + ';0')
  const found = await run(`axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}).then(r => JSON.stringify(r.violations.map(v => v.id + ': ' + v.help + ' — ' + v.nodes.map(n => n.html.slice(0, 120) + ' ' + (n.any[0]?.message ?? '')).join(' | '))))`)
  for (const v of JSON.parse(found)) fail(name, v)
}

const chosen = (process.env.VIEWS ?? '').split(',').filter(Boolean)
for (const scene of looks.filter(s => s.name.startsWith(wanted))) {
  for (const view of views.filter(v => !chosen.length || chosen.includes(v.name))) {
    await set('/reset', scene.unclaimed ? { claimed: 'no' } : {})
    for (const [path, query] of scene.set ?? []) await set(path, query)
    const page = await open({ ...view, device: scene.device ?? 4 })
    try {
      if (!scene.device && !scene.unclaimed && !scene.signedOut) await page.signIn()
      await page.go(scene.path)
      await scene.steps?.(page, { set })
      await look(page, `${scene.name}-${view.name}`)
    } catch (e) { fail(`${scene.name}-${view.name}`, e.message) }
    await page.context().close()
  }
  console.log(`looked at ${scene.name}`)
}

for (const task of tasks.filter(t => t.name.startsWith(wanted))) {
  for (const script of [true, false]) {
    await set('/reset', task.unclaimed ? { claimed: 'no' } : {})
    for (const [path, query] of task.set ?? []) await set(path, query)
    const page = await open({ script, device: task.device ?? 4 })
    let taps = 0
    page.tap = async selector => { taps++; await page.locator(selector).first().click() }
    const where = `task ${task.name} ${script ? 'with' : 'without'} JavaScript`
    try {
      if (!task.device && !task.unclaimed) await page.signIn()
      await page.go(task.path)
      await task.steps(page, { set, passphrase, script })
      if (task.taps !== undefined && taps !== task.taps) fail(where, `${taps} taps, not ${task.taps}`)
      else console.log(`${where}: ${taps} taps`)
    } catch (e) { fail(where, e.message) }
    await page.context().close()
  }
}

await browser.close()
demo.kill('SIGINT')
console.log(failures ? `${failures} failures` : 'all well')
process.exit(failures ? 1 : 0)
