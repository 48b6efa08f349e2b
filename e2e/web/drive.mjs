// Drives the pages. Scenes are in scenes.mjs; this file starts servers and the
// browser, and knows how to look (widths, colours, languages, axe, pictures) and
// how to act: by touch with and without JavaScript, and by keyboard alone.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { chromium } from 'playwright-core'
import { looks, tasks } from './scenes.mjs'

const wanted = process.argv[2] ?? ''
const screens = new URL('../../dist/screens/', import.meta.url).pathname
const axe = readFileSync(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
const hands = 2 // that work at once, each with a server of its own

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    // As a router that sends blocked names here does; and the names that a page
    // makes up are found at Ana's tablet's address, whoever asks.
    '--host-resolver-rules=MAP www.tiktok.com 127.0.0.2, MAP adult.example 127.0.0.2, MAP *.probe.treehouse.home.arpa 127.0.0.2',
  ],
})
let failures = 0
const fail = (where, what) => { failures++; console.error(`FAIL ${where}: ${what}`) }

// The ways to look at a page: any two of light and dark, left and right, wide and
// narrow meet in one of them. 320 px is also what 400 % leaves of a screen of
// 1,280 (WCAG 1.4.10).
const views = [
  { name: 'light', width: 1100 },
  { name: 'small-dark', width: 320, dark: true },
  { name: 'rtl-dark', width: 1100, language: 'ar', dark: true },
  { name: 'rtl-small', width: 320, language: 'ar' },
  { name: 'forced', width: 600, forced: true },
]

// hand is a server with a switchboard, and pages of the browser on its devices.
const hand = async () => {
  const demo = spawn(new URL('../../dist/pages-demo', import.meta.url).pathname, { stdio: ['ignore', 'pipe', 'inherit'] })
  const line = await new Promise(done => createInterface(demo.stdout).once('line', done))
  const { port, board, passphrase } = JSON.parse(line)
  const h = { passphrase, end: () => demo.kill('SIGINT') }
  h.set = async (path, query = {}) => {
    const answer = await fetch(`http://127.0.0.1:${board}${path}?${new URLSearchParams(query)}`)
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`)
    return answer.text()
  }
  let cookies // of a parent, good in every scene
  h.open = async ({ width = 390, dark = false, forced = false, language = 'en', script = true, device = 4 } = {}) => {
    const context = await browser.newContext({
      viewport: { width, height: 800 }, colorScheme: dark ? 'dark' : 'light', forcedColors: forced ? 'active' : 'none', locale: language, javaScriptEnabled: script, reducedMotion: 'reduce', bypassCSP: false,
    })
    const page = await context.newPage()
    page.on('console', m => { if (m.type() === 'error' && !/status of 4\d\d|ERR_INTERNET_DISCONNECTED/.test(m.text()) && !page.outside) fail(page.url(), m.text()) })
    page.on('request', r => { if (!r.url().startsWith('http://127.0.0.') && !r.url().startsWith('data:') && new URL(r.url()).port !== String(port) && !page.outside) fail(page.url(), `asks for ${r.url()}`) })
    page.go = (path, host = `127.0.0.${device}`) => page.goto(`http://${host}:${port}${path}`, { waitUntil: 'domcontentloaded' })
    // fresh: with the passphrase, as whoever loosens rules has to; else as one
    // who is signed in, which takes no hashing.
    page.signIn = async fresh => {
      if (!fresh) return context.addCookies(cookies)
      await page.go('/login')
      await page.fill('#passphrase', passphrase)
      await page.locator('main button.primary').click()
      await page.waitForURL(u => u.pathname !== '/login')
    }
    return page
  }
  const page = await h.open()
  await page.signIn(true)
  cookies = await page.context().cookies()
  await page.context().close()
  await h.set('/keep')
  return h
}

const look = async (page, name, { forced }) => {
  // The content policy forbids scripts of others, axe among them: it is run from outside.
  const session = await page.context().newCDPSession(page)
  const height = await page.evaluate(() => document.documentElement.scrollHeight)
  const shot = await session.send('Page.captureScreenshot', { optimizeForSpeed: true, captureBeyondViewport: true, clip: { x: 0, y: 0, ...page.viewportSize(), height, scale: 1 } })
  await writeFile(`${screens}${name}.png`, Buffer.from(shot.data, 'base64'))
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  if (wide > 0) fail(name, `scrolls sideways by ${wide} px`)
  const small = await page.evaluate(() => [...document.querySelectorAll('button, summary, select, input:not([type=hidden]), a')].filter(e => {
    const r = e.getBoundingClientRect(), inline = e.tagName === 'A' && getComputedStyle(e).display === 'inline'
    const least = e.tagName === 'BUTTON' || e.classList.contains('button') ? 44 : 24
    return r.width > 1 && !inline && !e.closest('label') && (r.height < least - .5 || r.width < 24)
  }).map(e => e.outerHTML.slice(0, 80)))
  for (const s of small) fail(name, `too small to touch: ${s}`)
  const moving = await page.evaluate(() => document.getAnimations().length)
  if (moving) fail(name, `${moving} things move although nothing should`)
  if (forced) return // axe computes contrast from colours that are not shown
  const run = async expression => {
    const r = await session.send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
    if (r.exceptionDetails) throw new Error(r.exceptionDetails.exception?.description ?? r.exceptionDetails.text)
    return r.result.value
  }
  await run(axe + ';0')
  const found = await run(`axe.run(document, {resultTypes: ['violations'], preload: false, iframes: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}).then(r => JSON.stringify(r.violations.map(v => v.id + ': ' + v.help + ' — ' + v.nodes.map(n => n.html.slice(0, 120) + ' ' + (n.any[0]?.message ?? '')).join(' | '))))`)
  for (const v of JSON.parse(found)) fail(name, v)
}

// The ways to act. A tap by keyboard is: reach it with Tab, see where the focus
// is, press Enter.
const ways = [{ name: 'with JavaScript', script: true }, { name: 'without JavaScript', script: false }, { name: 'by keyboard', script: true, keys: true }]

const press = async (page, selector) => {
  const target = await page.locator(selector).first().evaluateHandle(e => e.control ?? e)
  for (let i = 0; i < 200; i++) {
    const at = await target.evaluate(e => {
      if (document.activeElement !== e) return ''
      const style = getComputedStyle(e)
      return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 ? 'seen' : 'unseen'
    })
    if (at === 'unseen') throw new Error(`${selector} has the focus and nobody sees it`)
    if (at) return page.keyboard.press(await target.evaluate(e => e.matches('input')) ? 'Space' : 'Enter')
    await page.keyboard.press('Tab')
  }
  throw new Error(`${selector} is not reached with Tab`)
}

const jobs = []
const chosen = (process.env.VIEWS ?? '').split(',').filter(Boolean)
for (const scene of looks.filter(s => s.name.startsWith(wanted))) {
  jobs.push(async h => {
    for (const view of views.filter(v => !chosen.length || chosen.includes(v.name))) {
      const name = `${scene.name}-${view.name}`
      await h.set('/reset', { ...scene.unclaimed && { claimed: 'no' }, ...scene.brand && { brand: scene.brand } })
      for (const [path, query] of scene.set ?? []) await h.set(path, query)
      const page = await h.open({ ...view, device: scene.device ?? 4, })
      try {
        if (!scene.device && !scene.unclaimed && !scene.signedOut) await page.signIn(scene.fresh)
        await page.go(scene.path, scene.blocked)
        await scene.steps?.(page, h)
        await look(page, name, view)
      } catch (e) { fail(name, e.message) }
      await page.context().close()
    }
    console.log(`looked at ${scene.name}`)
  })
}
for (const task of tasks.filter(t => t.name.startsWith(wanted))) {
  jobs.push(async h => {
    for (const { name, script, keys } of ways) {
      if (task.only && !task.only.includes(name)) continue
      await h.set('/reset', task.unclaimed ? { claimed: 'no' } : {})
      for (const [path, query] of task.set ?? []) await h.set(path, query)
      const page = await h.open({ script, device: task.device ?? 4 })
      let taps = 0
      page.tap = async selector => {
        taps++
        if (!keys) return page.locator(selector).first().click()
        await page.locator(selector).first().waitFor()
        await press(page, selector)
      }
      const where = `task ${task.name} ${name}`
      try {
        if (!task.device && !task.unclaimed) await page.signIn(task.fresh)
        await page.go(task.path)
        await task.steps(page, { ...h, script, keys })
        if (task.taps !== undefined && taps !== task.taps) fail(where, `${taps} taps, not ${task.taps}`)
        else console.log(`${where}: ${taps} taps`)
      } catch (e) { fail(where, e.message) }
      await page.context().close()
    }
  })
}

await Promise.all(Array.from({ length: hands }, async () => {
  const h = await hand()
  for (let job; (job = jobs.shift());) await job(h)
  h.end()
}))
await browser.close()
console.log(failures ? `${failures} failures` : 'all well')
process.exit(failures ? 1 : 0)
