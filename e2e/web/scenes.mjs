// The pages and states that are looked at, and the tasks that are counted.
const text = async (page, selector, want) => {
  await page.locator(selector).filter({ hasText: want }).first().waitFor({ timeout: 5000 })
}

// tested opens the test on a device and goes on to what it found.
const tested = async (page, { set }) => {
  await page.waitForLoadState('load')
  await set('/later')
  await page.locator('main a.primary').click()
  await page.locator('.tested').waitFor()
}

// outside stands in for the internet: which servers answer there, and whether any does.
const outside = async (page, open) => {
  page.outside = true
  await page.route(/^https?:\/\/(connectivitycheck\.gstatic\.com|1\.1\.1\.1|9\.9\.9\.9|dns\.google)\//, route =>
    open.includes(new URL(route.request().url()).hostname) ? route.fulfill({ status: 204 }) : route.abort())
}

export const looks = [
  { name: 'setup-1', path: '/setup', unclaimed: true },
  { name: 'setup-2', path: '/setup', set: [['/newcomer', { hint: 'Galaxy-Tab-A9' }], ['/newcomer', { hint: 'Nintendo' }]] },
  { name: 'setup-3', path: '/setup?step=3' },
  { name: 'login', path: '/login', signedOut: true },
  {
    name: 'login-wrong', path: '/login', signedOut: true, steps: async page => {
      await page.fill('#passphrase', 'not the one')
      await page.locator('main button.primary').click()
      await page.locator('.notice').waitFor()
    },
  },
  { name: 'family', path: '/' },
  { name: 'family-busy', path: '/', set: [['/ask', { words: 'All my friends are there' }], ['/newcomer', { hint: 'Pixel-7' }]] },
  { name: 'family-night', path: '/', set: [['/clock', { at: '21:05' }]] },
  {
    name: 'family-paused', path: '/', steps: async page => {
      await page.locator('#pause-1').click()
      await page.locator('#undo').waitFor()
    },
  },
  { name: 'family-more', path: '/', steps: async page => { await page.locator('#more-1 summary').click() } },
  { name: 'family-empty', path: '/', set: [['/empty', {}]] },
  { name: 'family-trouble', path: '/', set: [['/trouble', { of: 'offline,storage' }]] },
  { name: 'family-clock', path: '/', set: [['/trouble', { of: 'jump' }]] },
  { name: 'family-birthday', path: '/', set: [['/birthday', {}]] },
  { name: 'mine-birthday', path: '/me', device: 2, set: [['/birthday', {}]] },
  { name: 'missing', path: '/nowhere' },
  { name: 'mine-9', path: '/me', device: 2, set: [['/block', { addr: '127.0.0.2', name: 'www.tiktok.com' }]] },
  { name: 'mine-14', path: '/me', device: 3 },
  { name: 'mine-adult-site', path: '/me', device: 2, set: [['/block', { addr: '127.0.0.2', name: 'adult.example' }]] },
  { name: 'mine-night', path: '/me', device: 2, set: [['/clock', { at: '21:05' }]] },
  { name: 'mine-asked', path: '/me?did=asked.0', device: 2, set: [['/ask', { words: 'please' }]] },
  { name: 'mine-new', path: '/me', device: 9 },
  { name: 'mine-adult', path: '/me', device: 4, signedOut: true },
  { name: 'check-child', path: '/check?site=tiktok.com', device: 2 },
  { name: 'check-parent', path: '/check?site=tiktok.com&person=2' },
  { name: 'person-9', path: '/people/1' },
  { name: 'person-14', path: '/people/2' },
  { name: 'requests', path: '/requests', set: [['/ask', { words: 'please' }]] },
  { name: 'requests-none', path: '/requests' },
  { name: 'devices', path: '/devices', set: [['/newcomer', { hint: 'Pixel-7' }]] },
  { name: 'devices-away', path: '/devices', set: [['/away', {}]] },
  { name: 'settings', path: '/settings' },
  {
    name: 'token', path: '/settings', steps: async page => {
      await page.fill('#program', 'Home Assistant')
      await page.locator('#addtoken').click()
      await page.locator('code').waitFor()
    },
  },
  {
    name: 'confirm', path: '/people/1', steps: async (page, { set }) => {
      await set('/clock', { at: '17:30' })
      await page.locator('main .switch button').first().click()
      await page.locator('#again').waitFor()
    },
  },
  { name: 'around', path: '/around' },
  { name: 'around-open', path: '/around', set: [['/asks', { us: 'none' }]] },
  {
    name: 'probe-dots', path: '/around/device', device: 2, steps: async page => {
      await page.waitForLoadState('load')
      const there = await page.evaluate(() => [...document.querySelectorAll('.dots img')].filter(i => i.naturalWidth > 0).length)
      if (there !== 5) throw new Error(`${there} of 5 dots`)
    },
  },
  { name: 'probe-good', path: '/around/device', device: 2, steps: tested },
  { name: 'probe-none', path: '/around/device', device: 2, set: [['/asks', { us: 'none' }]], steps: tested },
  { name: 'probe-some', path: '/around/device', device: 2, set: [['/asks', { us: 'some' }]], steps: tested },
  { name: 'probe-other', path: '/around/device', device: 3, steps: tested },
  { name: 'probe-adult', path: '/around/device', device: 4, signedOut: true, steps: tested },
  {
    name: 'probe-wait', path: '/around/device', device: 2, set: [['/asks', { us: 'some' }]], steps: async page => {
      await page.locator('main a.primary').click()
      await page.locator('[role=status]', { hasText: '' }).first().waitFor({ state: 'attached' })
    },
  },
  ...[['far-mixed', ['connectivitycheck.gstatic.com', '1.1.1.1']], ['far-none', []]].map(([name, open]) => ({
    name, path: '/around/device', device: 2, steps: async (page, { set }) => {
      await tested(page, { set })
      await outside(page, open)
      await page.locator('a[href="/around/far"]').click()
      const want = open.length ? ['open', 'shut', 'shut'] : ['none', 'none', 'none']
      await page.waitForFunction(() => [...document.querySelectorAll('#far > li')].every(e => e.className))
      const got = await page.evaluate(() => [...document.querySelectorAll('#far > li')].map(e => e.className))
      if (`${got}` !== `${want}`) throw new Error(`${got}, want ${want}`)
    },
  })),
  { name: 'learn-child', path: '/learn', device: 2 },
  { name: 'learn-parent', path: '/learn' },
  { name: 'help', path: '/help', device: 3 },
]

export const tasks = [
  {
    name: 'first-run', path: '/', unclaimed: true, set: [['/empty', {}], ['/newcomer', { hint: 'Galaxy-Tab' }]], taps: 4, steps: async (page, { set, passphrase }) => {
      await page.fill('#code', (await set('/nothing')).toLowerCase().replace('-', ' '))
      await page.fill('#passphrase', passphrase)
      await page.tap('main button.primary')
      await page.waitForSelector('#name')
      await page.fill('#name', 'Lea')
      await page.fill('#age', '7')
      await page.tap('.chip')
      await page.tap('main button.primary')
      await page.waitForSelector('.qr svg')
      if (await page.locator('.proofs .ok').count() !== 3) throw new Error('a proof failed')
      await page.tap('main button.primary')
      await text(page, '.person', 'Lea')
    },
  },
  {
    name: 'pause', path: '/', taps: 2, steps: async page => {
      await page.tap('#pause-1') // one tap pauses
      await text(page, '.person.paused', 'Ana')
      await text(page, '#said', 'Ana is paused')
      await page.tap('#undo') // and one takes it back
      await text(page, '.person.open', 'Ana')
    },
  },
  { name: 'more-time', path: '/', taps: 2, steps: async page => { await page.tap('#more-1 summary'); await page.tap('#more30-1'); await text(page, '.person', '20:30') } },
  { name: 'approve', path: '/', taps: 1, set: [['/ask', {}]], steps: async page => { await page.tap('#allow1'); await text(page, '#said', 'Ana can use it') } },
  { name: 'assign', path: '/', taps: 1, set: [['/newcomer', { hint: 'Pixel-7' }]], steps: async page => { await page.tap('main .chips button'); await text(page, '#said', 'rules of Ana') } },
  { name: 'birthday', path: '/', taps: 1, set: [['/birthday', {}]], steps: async page => { await page.tap('#notyet-1'); await text(page, '#said', 'Saved'); if (await page.locator('#notyet-1').count()) throw new Error('it asks again') } },
  {
    name: 'ask', path: '/me', device: 2, taps: 1, set: [['/block', { addr: '127.0.0.2', name: 'www.tiktok.com' }]], steps: async page => {
      await page.tap('text=Ask for this site')
      await text(page, '#said', 'Your parents can see it')
      await text(page, '.lines', 'tiktok.com')
    },
  },
  {
    name: 'around', path: '/around/device', device: 2, taps: 1, steps: async (page, { set }) => {
      await page.waitForLoadState('load')
      await set('/later')
      await page.tap('main a.primary')
      await text(page, '.tested .good', 'This browser asks Treehouse')
      await text(page, '.tested .good', 'you are Ana')
    },
  },
  {
    name: 'live', path: '/', steps: async (page, { set, script }) => {
      if (!script) return
      await page.waitForTimeout(300) // the stream opens
      await set('/ask', { words: 'please' })
      await text(page, '.ask', 'Ana asks for tiktok.com')
    },
  },
  {
    name: 'keyboard', path: '/', steps: async (page, { script }) => {
      await page.locator('#pause-1').focus()
      await page.keyboard.press('Enter')
      await text(page, '.person.paused', 'Ana')
      if (script && await page.evaluate(() => document.activeElement.id) !== 'pause-1') throw new Error('the focus was lost')
    },
  },
]
