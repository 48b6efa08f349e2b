// Saves the reload: sends forms and follows changes without leaving the page.
// Without it everything works the same, one reload later.
(() => {
  const byId = id => document.getElementById(id), main = () => byId('main')
  const busy = () => {
    const a = document.activeElement
    return a && main().contains(a) && /^(INPUT|SELECT|TEXTAREA)$/.test(a.tagName)
  }
  let count = 0 // of pages shown: none asked for before is put over them

  // show puts the page that came back in place of this one; focus and what was
  // folded open stay.
  const show = async (answer, said, before) => {
    const text = await answer.text()
    if (!said && before !== count) return
    count++
    const page = new DOMParser().parseFromString(text, 'text/html')
    const next = page.getElementById('main')
    if (!next) return location.reload()
    const focus = document.activeElement && main().contains(document.activeElement) && document.activeElement.id
    if (!said) {
      for (const d of main().querySelectorAll('details[open][id]')) {
        const twin = next.querySelector('#' + CSS.escape(d.id))
        if (twin) twin.open = true
      }
    }
    // The line that says what happened stays, so that a screen reader notices.
    const line = byId('said'), words = next.querySelector('#said')
    if (said) line.replaceChildren(...words.childNodes)
    words.remove()
    for (const e of [...main().children]) if (e !== line) e.remove()
    main().append(...next.childNodes)
    document.title = page.title
    document.body.className = page.body.className
    const nav = document.querySelector('nav'), other = page.querySelector('nav')
    if (nav && other) nav.replaceWith(other)
    if (focus) (byId(focus) || main()).focus({preventScroll: true})
  }

  document.addEventListener('submit', async e => {
    const form = e.target
    if (form.method !== 'post' || !main().contains(form)) return
    const body = new URLSearchParams(new FormData(form, e.submitter)), m = main()
    e.preventDefault()
    if (m.ariaBusy) return // one tap, one change
    m.ariaBusy = true
    try {
      const answer = await fetch(e.submitter?.getAttribute('formaction') || form.action, {method: 'POST', body, redirect: 'follow'})
      const at = new URL(answer.url)
      if (answer.redirected && at.pathname !== location.pathname) return location.assign(at)
      await show(answer, true)
    } catch {
      const p = document.createElement('p')
      p.className = 'notice wait'
      p.textContent = m.dataset.away
      byId('said').replaceChildren(p)
    } finally { m.ariaBusy = null }
  })

  const follow = async () => {
    if (busy() || document.hidden) return
    const before = count
    try { await show(await fetch(location.href.split('?')[0], {headers: {Following: '1'}}), false, before) } catch { }
  }
  // The test outside the home, on the one page that may: each line shows whether
  // its server was reached, if the internet is there at all.
  const far = document.getElementById('far')
  if (far) {
    const reach = to => fetch(to, {mode: 'no-cors', cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(6000)})
    const mark = (e, how) => { e.className = how }
    far.hidden = false
    reach(far.dataset.check).then(() => {
      for (const e of far.children) reach(e.dataset.call).then(() => mark(e, 'open'), () => mark(e, 'shut'))
    }, () => { for (const e of far.children) mark(e, 'none') })
  }
  if (document.body.matches('.wide,.mine')) {
    new EventSource('/live').addEventListener('changed', follow)
    document.addEventListener('visibilitychange', follow)
  }
})()
