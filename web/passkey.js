// Signs in with a passkey, or makes one: asks the house for a challenge, the
// device for an answer, and brings the answer back. Where the browser cannot, the
// forms stay hidden and the passphrase is there.
(() => {
  const can = window.PublicKeyCredential?.parseRequestOptionsFromJSON
  for (const form of can ? document.querySelectorAll('form[data-passkey]') : []) {
    form.hidden = false
    const send = async more => {
      const body = new URLSearchParams(new FormData(form))
      for (const name in more) body.set(name, more[name])
      return (await fetch(form.action, {method: 'POST', body})).json()
    }
    form.addEventListener('submit', async e => {
      e.preventDefault()
      e.stopPropagation()
      let answer = await send()
      if (answer.ask) {
        const k = PublicKeyCredential, c = navigator.credentials
        try {
          const made = form.dataset.passkey === 'make'
            ? await c.create({publicKey: k.parseCreationOptionsFromJSON(answer.ask)})
            : await c.get({publicKey: k.parseRequestOptionsFromJSON(answer.ask)})
          answer = await send({credential: JSON.stringify(made), passphrase: ''})
        } catch {
          answer = await send({credential: '-', passphrase: ''})
        }
      }
      if (answer.to) return location.assign(answer.to)
      const line = document.getElementById('said'), words = document.createElement('p')
      words.className = 'notice wait'
      words.textContent = answer.said
      line.replaceChildren(words)
    })
  }
})()
