// The pages and states that are looked at, and the tasks that are counted.
const logo = '<svg viewBox="0 0 32 32"><path d="M2 28 12 8l6 10 4-6 8 16z" fill="#5a3fb0"/><circle cx="24" cy="7" r="4" fill="#e8b04a"/></svg>'
const allTroubles = 'offline,starter,nolists,oldlists,storage,restored,clock,firewall'

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
  { name: 'family-clock', path: '/', set: [['/trouble', { of: 'jump' }]] },
  { name: 'family-trouble', path: '/', set: [['/trouble', { of: allTroubles }]] },
  { name: 'family-brand', path: '/', brand: logo },
  {
    name: 'family-loading', path: '/', steps: async page => { // an answer that takes its time
      await page.route('**/pause', () => { })
      await page.locator('#pause-1').click()
      await page.locator('main[aria-busy=true]').waitFor()
    },
  },
  {
    name: 'family-away', path: '/', steps: async page => { // the router cannot be reached
      await page.context().setOffline(true)
      await page.locator('#pause-1').click()
      await page.locator('.notice').waitFor()
    },
  },
  {
    name: 'family-broken', path: '/', set: [['/broken', {}]], steps: async page => { // nothing can be written
      await page.locator('#pause-1').click()
      await page.locator('h1', { hasText: /./ }).first().waitFor()
    },
  },
  { name: 'activity-off', path: '/activity' },
  { name: 'activity', path: '/activity', set: [['/counts', { how: 'some' }]] },
  { name: 'activity-none', path: '/activity', set: [['/counts', { how: 'none' }]] },
  { name: 'activity-unread', path: '/activity', set: [['/counts', { how: 'unread' }]] },
  { name: 'activity-grown', path: '/activity', set: [['/counts', { how: 'some' }], ['/grown', {}], ['/trouble', { of: allTroubles }]] },
  { name: 'activity-empty', path: '/activity', set: [['/empty', {}]] },
  { name: 'log-off', path: '/devices/1/log' },
  { name: 'log-empty', path: '/devices/1/log', set: [['/log', {}]] },
  { name: 'log', path: '/devices/1/log', set: [['/log', {}], ['/asks', { name: 'www.wikipedia.org,www.tiktok.com,www.google.com,a-rather-long-name-of-a-site.with-many-labels.that-goes-on.example,adult.example,roblox.com' }]] },
  { name: 'log-grown', path: '/devices/2/log', set: [['/grown', {}]] },
  { name: 'log-nobody', path: '/devices/4/log', set: [['/newcomer', { hint: 'Pixel-7' }]] },
  { name: 'log-missing', path: '/devices/99/log' },
  { name: 'devices-logged', path: '/devices', set: [['/log', {}]] },
  { name: 'devices-empty', path: '/devices', set: [['/empty', {}]] },
  { name: 'mine-logged', path: '/me', device: 2, set: [['/log', {}]] },
  { name: 'mine-counted', path: '/me', device: 2, set: [['/counts', { how: 'some' }]] },
  { name: 'mine-trouble', path: '/me', device: 2, set: [['/trouble', { of: allTroubles }]] },
  { name: 'mine-paused', path: '/me', device: 2, set: [['/pause', {}]] },
  { name: 'mine-ticket', path: '/me', device: 2, set: [['/ticket', {}]] },
  { name: 'mine-brand', path: '/me', device: 2, brand: logo },
  { name: 'requests-reports', path: '/requests', set: [['/ask', { words: 'please' }], ['/report', {}]] },
  { name: 'person-counted', path: '/people/1', set: [['/counts', { how: 'some' }]] },
  { name: 'person-trouble', path: '/people/1', set: [['/trouble', { of: allTroubles }]] },
  { name: 'check-open', path: '/check?site=example.com&person=1' },
  { name: 'check-lifeline', path: '/check?site=childline.org.uk&person=1' },
  { name: 'check-wrong', path: '/check?site=no%20site&person=1' },
  { name: 'check-adult', path: '/check?site=adult.example', device: 2 },
  { name: 'blocked', path: '/', device: 2, blocked: 'www.tiktok.com' },
  { name: 'blocked-adult', path: '/', device: 2, blocked: 'adult.example' },
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
    name: 'token', path: '/settings', fresh: true, steps: async page => {
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
  { name: 'around-open', path: '/around', set: [['/probes', { us: 'none' }]] },
  {
    name: 'probe-dots', path: '/around/device', device: 2, steps: async page => {
      await page.waitForLoadState('load')
      const there = await page.evaluate(() => [...document.querySelectorAll('.dots img')].filter(i => i.naturalWidth > 0).length)
      if (there !== 5) throw new Error(`${there} of 5 dots`)
    },
  },
  { name: 'probe-good', path: '/around/device', device: 2, steps: tested },
  { name: 'probe-none', path: '/around/device', device: 2, set: [['/probes', { us: 'none' }]], steps: tested },
  { name: 'probe-some', path: '/around/device', device: 2, set: [['/probes', { us: 'some' }]], steps: tested },
  { name: 'probe-other', path: '/around/device', device: 3, steps: tested },
  { name: 'probe-adult', path: '/around/device', device: 4, signedOut: true, steps: tested },
  {
    name: 'probe-wait', path: '/around/device', device: 2, set: [['/probes', { us: 'some' }]], steps: async page => {
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
  { name: 'pause-all', path: '/', taps: 2, steps: async page => { await page.tap('#everyone'); await text(page, '#said', 'All children are paused'); await page.tap('#everyone'); await text(page, '#said', 'back online') } },
  { name: 'not-now', path: '/requests', taps: 1, set: [['/ask', {}]], steps: async page => { await page.tap('#notnow1'); await text(page, '#said', 'not now') } },
  { name: 'open-a-group', path: '/people/1', fresh: true, taps: 1, steps: async page => { await page.tap('[id="set-group:social"]'); await text(page, '#said', 'Saved') } },
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
    name: 'allow-a-site', path: '/people/1', fresh: true, taps: 1, steps: async page => {
      await page.fill('#site', 'example.org')
      await page.tap('#nameallow')
      await text(page, '#said', 'Saved')
      await text(page, '.lines', 'example.org')
    },
  },
  {
    name: 'bedtime', path: '/people/1', fresh: true, taps: 1, steps: async page => {
      await page.fill('[name=school-from]', '20:30')
      await page.tap('#savenight')
      await text(page, '#said', 'Saved')
    },
  },
  {
    name: 'why-blocked', path: '/check', taps: 1, steps: async page => {
      await page.fill('#site', 'tiktok.com')
      await page.tap('main button.primary')
      await text(page, '#result', 'tiktok.com does not open for Ana')
    },
  },
  {
    name: 'report', path: '/check?site=adult.example&person=1', taps: 2, steps: async page => {
      await page.tap('#report')
      await text(page, '#said', 'The report is ready')
      const to = await page.locator('.letters a').evaluateAll(all => all.map(a => a.href))
      if (!to[1].startsWith('mailto:lists@lists.example?subject=Listed%20by%20mistake') || to.join().includes('Ana')) throw new Error(`the letters go to ${to}`)
      await page.tap('#unreport1')
      await text(page, '#said', 'Saved')
    },
  },
  {
    name: 'activity', path: '/', taps: 3, steps: async page => {
      await page.tap('nav a[href="/activity"]')
      await page.tap('#count1')
      await text(page, 'caption', 'This week')
      await page.tap('#count1')
      await text(page, '.card', 'Nothing is counted')
    },
  },
  {
    name: 'look-for-a-fault', path: '/devices', fresh: true, taps: 4, steps: async (page, { set }) => {
      await page.tap('a[href="/devices/1/log"]')
      await page.tap('#begin15')
      await text(page, '#said', 'Ana is told now')
      await set('/asks', { name: 'www.tiktok.com' })
      await page.tap('main a.button')
      await text(page, 'tbody tr', 'www.tiktok.com')
      await page.tap('#unlog')
      await text(page, '#said', 'What was noted is gone')
    },
  },
  { name: 'looked', path: '/', taps: 1, set: [['/trouble', { of: 'restored' }]], steps: async page => { await page.tap('#looked'); await text(page, '#said', 'Saved'); if (await page.locator('#looked').count()) throw new Error('it is said again') } },
  { name: 'ticket', path: '/me', device: 2, taps: 1, set: [['/ticket', {}]], steps: async page => { await page.tap('[name=ticket]'); await text(page, '#said', 'extra time') } },
  { name: 'more-time-please', path: '/me', device: 2, taps: 1, steps: async page => { await page.tap('[name=minutes][value="30"]'); await text(page, '#said', 'Your parents can see it') } },
  {
    name: 'language', path: '/me', device: 2, taps: 1, steps: async page => {
      await page.selectOption('#language', 'de')
      await page.tap('footer form button')
      await text(page, 'h1', 'Hallo Ana')
    },
  },
  {
    name: 'program', path: '/settings', fresh: true, taps: 1, steps: async page => {
      await page.fill('#program', 'Home Assistant')
      await page.tap('#addtoken')
      await text(page, 'code', 'treehouse_')
    },
  },
  { name: 'sign-out', path: '/', taps: 1, steps: async page => { await page.tap('footer form[action="/logout"] button'); await page.locator('#passphrase').waitFor() } },
  {
    name: 'away', path: '/', only: ['with JavaScript'], steps: async page => {
      await page.context().setOffline(true)
      await page.locator('#pause-1').click()
      await text(page, '#said', 'cannot be reached')
      await page.context().setOffline(false)
      await page.locator('#pause-1').click()
      await text(page, '.person.paused', 'Ana')
    },
  },
  {
    name: 'live', path: '/', only: ['with JavaScript'], steps: async (page, { set }) => {
      await page.waitForTimeout(300) // the stream opens
      await set('/ask', { words: 'please' })
      await text(page, '.ask', 'Ana asks for tiktok.com')
    },
  },
  {
    name: 'focus', path: '/', only: ['by keyboard'], steps: async page => {
      await page.tap('#pause-1')
      await text(page, '.person.paused', 'Ana')
      if (await page.evaluate(() => document.activeElement.id) !== 'pause-1') throw new Error('the focus was lost')
    },
  },
]
