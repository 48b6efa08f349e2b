// Package web is the pages and the API: what a parent sees, what a child sees,
// and who may change what.
//
// Every page is written by the server and every action is a plain form, so all
// of it works without JavaScript; a script of under 3 kB only saves the reload.
// Nothing is fetched from anywhere else, and a page works with the line down.
//
// One request's way through, top to bottom:
//
//	guard     the Host is ours, or 421; headers that allow no foreign script and no frame
//	origin    a change comes from our own page, with a token only that page knows
//	visitor   a parent's session, a child's device, or nobody we know
//	handler   reads one Household, changes it through Home, answers with a page or 303
//	page      words of the visitor's language, escaped by templ, written once
//
// The adversary is a child on the same Wi-Fi with time and curiosity: names of
// devices and requests are hostile text, passphrases are guessed, addresses are
// changed. Tests beside the code take that part.
//
//	Server    all of it: an http.Handler with Run
//	Home      the family, as the pages need it; household has it
//	Vault     where accounts and sessions are kept, one small value
//	words     the nine languages, as text files that a translator can read
package web

//go:generate sh -c "go run github.com/a-h/templ/cmd/templ@$(go list -m -f {{.Version}} github.com/a-h/templ) generate -log-level error"
//go:generate go run ./fold
