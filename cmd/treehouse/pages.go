package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/store"
	"github.com/treehouse-dns/treehouse/web"
)

// oldLists is how long lists may go without news before a parent is told.
const oldLists = 14 * 24 * time.Hour

// listenPages opens the pages' sockets and makes the server that answers there.
func (d *daemon) listenPages() error {
	if len(d.config.Pages.Listen)+len(d.config.Pages.ListenTLS) == 0 {
		return nil
	}
	hosts := slices.Clone(d.config.Pages.Hosts)
	for _, name := range d.config.DNS.OwnNames {
		hosts = append(hosts, plain(name))
	}
	var err error
	options := web.Options{
		Home: pagesHome{d.family, d}, Vault: vault{d.familyFile}, Hosts: hosts,
		Country: d.config.Pages.Country, Language: d.config.Pages.Language, Now: d.clock.Now, Log: d.log,
		Probes: d.probes,
	}
	if !tiny {
		options.Look, options.Away = d.lookAround, d.away
	}
	if d.pages, err = web.New(options); err != nil {
		return err
	}
	for _, addr := range d.config.Pages.Listen {
		l, err := listenForPages(addr, "pages.listen")
		if err != nil {
			return err
		}
		d.pageSockets = append(d.pageSockets, l)
		d.log.Info("pages", "url", "http://"+l.Addr().String())
	}
	if tiny {
		return nil
	}
	for _, addr := range d.config.Pages.ListenTLS {
		l, err := listenForPages(addr, "pages.listen_tls")
		if err != nil {
			return err
		}
		d.pageSockets = append(d.pageSockets, web.Secure(l, d.certificate.forPages()))
		d.log.Info("pages", "url", "https://"+l.Addr().String())
	}
	if code := d.pages.ClaimCode(); code != "" {
		d.log.Info("nobody has set this house up yet", "claim_code", code)
	}
	return nil
}

// tcpOf is TCP of an address' own family: a wildcard of "tcp" would take both,
// and leave none for the other.
func tcpOf(addr netip.AddrPort) string {
	if addr.Addr().Is4() {
		return "tcp4"
	}
	return "tcp6"
}

// whoAsks is whose rules a query is answered by.
func (d *daemon) whoAsks(source netip.Addr, id []byte) filter.PolicyID {
	return household.PersonOf(d.family.Identify(source, id).Policy)
}

// lookAround makes those of the doctor's tests that tell a parent what a child
// could get around.
func (d *daemon) lookAround(ctx context.Context) []web.Tested {
	c := d.app.newDoctor(d.config)
	c.clock, c.listen, c.house, c.snap = d.clock, d.server.Addrs(), d.family.Household(), d.live.Load()
	results := map[result]web.Result{good: web.ResultGood, mend: web.ResultMend, untested: web.ResultUnknown}
	var all []web.Tested
	for _, t := range []struct {
		what string
		test func(context.Context) []finding
	}{{"names", c.testBlocks}, {"canaries", c.testCanaries}, {"firewall", c.testFirewall}} {
		all = append(all, web.Tested{What: t.what, Result: results[t.test(ctx)[0].Result]})
	}
	return all
}

func listenForPages(addr netip.AddrPort, key string) (net.Listener, error) {
	l, err := net.Listen(tcpOf(addr), addr.String())
	if err != nil {
		return nil, fmt.Errorf("the pages cannot be served on %s: %s; end what is there or set %s", addr, cause(err), key)
	}
	return l, nil
}

func (d *daemon) servePages(ctx context.Context) error {
	if d.pages == nil {
		return nil
	}
	return d.pages.Run(ctx, d.pageSockets...)
}

// pagesHome is the family with what the pages need besides.
type pagesHome struct {
	*household.Family
	d *daemon
}

// Decide judges a name as the resolver would.
func (h pagesHome) Decide(person filter.PolicyID, name filter.Name, at time.Time) (filter.Verdict, filter.Topic) {
	snap := h.d.live.Load()
	v := snap.DecideAt(filter.Client{Policy: person}, name, at)
	if !v.HasTopic {
		return v, filter.Topic{}
	}
	return v, snap.Trie().Topic(v.Topic)
}

// LastBlock is the last name that was blocked for the device at an address.
func (h pagesHome) LastBlock(addr netip.Addr) (web.Blocked, bool) {
	name, at, ok := h.Family.LastBlock(addr)
	return web.Blocked{Name: name, At: at}, ok
}

// Topics are the topics of the lists in force. Read-only.
func (h pagesHome) Topics() []filter.Topic {
	trie := h.d.live.Load().Trie()
	if last := h.d.topics.Load(); last != nil && last.trie == trie {
		return last.topics
	}
	next := &topicsOf{trie: trie, topics: make([]filter.Topic, trie.Topics())}
	for i := range next.topics {
		next.topics[i] = trie.Topic(filter.TopicID(i))
	}
	h.d.topics.Store(next)
	return next.topics
}

// topicsOf is a trie's topics, kept until there is another trie.
type topicsOf struct {
	trie   *filter.Trie
	topics []filter.Topic
}

// Health is what a parent should know.
func (h pagesHome) Health() []web.Trouble {
	var troubles []web.Trouble
	if h.d.familyFile.Recovered() != nil {
		troubles = append(troubles, web.TroubleRestored)
	}
	switch {
	case h.d.clock.Trusted():
	case h.d.clock.Unset():
		troubles = append(troubles, web.TroubleClock)
	default:
		troubles = append(troubles, web.TroubleJump)
	}
	if len(h.d.config.Upstream.Servers) == 0 {
		troubles = append(troubles, web.TroubleOffline)
	}
	switch last, err := h.d.library.LastBuild(); {
	case err != nil:
	case last.Number == 0:
		troubles = append(troubles, web.TroubleStarter)
	case h.d.clock.Now().Sub(last.At) > oldLists:
		troubles = append(troubles, web.TroubleOldLists)
	}
	if h.d.wall.failed.Load() {
		troubles = append(troubles, web.TroubleFirewall)
	}
	return troubles
}

// Shows is what the system's clock shows, right or not.
func (h pagesHome) Shows() time.Time { return h.d.clock.Shows() }

// The pages' own place in household.db.
const (
	pagesBucket = "pages"
	vaultKey    = "vault"
)

// vault keeps the pages' accounts in household.db, so that they are backed up
// and erased with the family.
type vault struct{ file *store.File }

// Load gives what was saved last.
func (v vault) Load() (value []byte, err error) {
	err = v.file.View(func(tx *store.Tx) error {
		kept, err := tx.Bucket(pagesBucket).Get([]byte(vaultKey))
		value = append(value, kept...)
		return err
	})
	if len(value) == 0 {
		return nil, err
	}
	return value, err
}

// Save replaces it.
func (v vault) Save(value []byte) error {
	return v.file.Update(func(tx *store.Tx) error { return tx.Bucket(pagesBucket).Put([]byte(vaultKey), value) })
}
