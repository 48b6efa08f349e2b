package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/treehouse-dns/treehouse/blocklists"
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
		Country: d.config.Pages.Country, Language: d.config.Pages.Language, Brand: d.config.Brand, Now: d.clock.Now, Log: d.log,
		Probes: d.probes,
	}
	if !tiny {
		options.Look, options.Away = d.lookAround, d.away
	}
	if d.pages, err = web.New(options); err != nil {
		return err
	}
	serve := func(addr netip.AddrPort, key, scheme string, over func(net.Listener) net.Listener) {
		l, fault := listenForPages(addr, key)
		if fault != nil {
			err = errors.Join(err, fault)
			return
		}
		d.pageSockets = append(d.pageSockets, over(l))
		d.log.Info("pages", "url", scheme+l.Addr().String())
	}
	for _, addr := range d.config.Pages.Listen {
		serve(addr, "pages.listen", "http://", func(l net.Listener) net.Listener { return l })
	}
	if tiny {
		return err
	}
	for _, addr := range d.config.Pages.ListenTLS {
		serve(addr, "pages.listen_tls", "https://", func(l net.Listener) net.Listener { return web.Secure(l, d.certificate.forPages()) })
	}
	if code := d.pages.ClaimCode(); code != "" {
		d.log.Info("nobody has set this house up yet", "claim_code", code)
	}
	return err
}

// listenTCP opens a socket of the address's own family: Go would open the IPv4
// wildcard for both, and the IPv6 one beside it would find its port taken.
func listenTCP(addr netip.AddrPort) (net.Listener, error) {
	if addr.Addr().Is4() {
		return net.Listen("tcp4", addr.String())
	}
	return net.Listen("tcp6", addr.String())
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
	l, err := listenTCP(addr)
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

// keepAccounts lets the pages take what the command line has made of their
// accounts: a backup's, none, or with another passphrase.
func (d *daemon) keepAccounts(ctx context.Context) error {
	if d.pages == nil {
		return nil
	}
	for range d.familyFile.Watch(ctx) {
		before := d.pages.ClaimCode()
		if err := d.pages.Reload(); err != nil {
			d.log.Error("the accounts stay as they were", "err", err)
		}
		if code := d.pages.ClaimCode(); code != "" && code != before {
			d.log.Info("nobody has set this house up yet", "claim_code", code)
		}
	}
	return ctx.Err()
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
	if h.d.familyFile.WasRecovered() {
		troubles = append(troubles, web.TroubleRestored)
	}
	if h.d.unwritable.Load() {
		troubles = append(troubles, web.TroubleStorage)
	}
	switch {
	case h.d.clock.Trusted():
	case h.d.clock.Unset():
		troubles = append(troubles, web.TroubleClock)
	default:
		troubles = append(troubles, web.TroubleJump)
	}
	if !h.d.server.Reachable() {
		troubles = append(troubles, web.TroubleOffline)
	}
	switch at, lists := h.d.renewed.Load(), &h.d.config.Lists; {
	case at == 0 && len(lists.Sources) == 0 && lists.Catalogue.Path == "" && lists.Catalogue.URL == "":
		troubles = append(troubles, web.TroubleNoLists)
	case at == 0:
		troubles = append(troubles, web.TroubleStarter)
	case h.d.clock.Now().Sub(time.Unix(at, 0)) > oldLists:
		troubles = append(troubles, web.TroubleOldLists)
	}
	if h.d.wall.failed.Load() {
		troubles = append(troubles, web.TroubleFirewall)
	}
	if h.d.without.Load() {
		troubles = append(troubles, web.TroubleGone)
	}
	return troubles
}

// Shows is what the system's clock shows, right or not.
func (h pagesHome) Shows() time.Time { return h.d.clock.Shows() }

// noteRenewal remembers when the lists were last known to be the newest: when
// they were built, or when a source said that it has nothing new. While one holds
// the others back, no news of those is in force.
func (d *daemon) noteRenewal(build blocklists.Build) error {
	if build.Number == 0 {
		d.renewed.Store(0)
		return nil
	}
	at := build.At
	sources, err := d.library.Sources()
	for _, s := range sources {
		if s.Away {
			at = build.At
			break
		}
		if !s.Failed && s.Checked.After(at) {
			at = s.Checked
		}
	}
	d.renewed.Store(at.Unix())
	return err
}

// Looked says that a parent has looked at the family that a backup gave back.
func (h pagesHome) Looked() error { return h.d.familyFile.Looked() }

// Change alters the family, and notes whether the disk takes it.
func (h pagesHome) Change(change func(*household.Household) error) error {
	err := h.Family.Change(change)
	full := errors.Is(err, store.ErrReadOnly) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EIO)
	if full || err == nil {
		h.d.unwritable.Store(full)
	}
	return err
}

// Weeks are a person's counts, those that are not written down yet among them.
func (h pagesHome) Weeks(id filter.PolicyID) ([]household.Week, error) {
	weeks, err := h.Family.Weeks(id)
	if err != nil {
		return nil, err
	}
	return h.d.tally.AddUnwritten(weeks, id, h.d.clock.Now().In(h.Household().Zone())), nil
}

// Keepers are the lists with where to write about each.
func (h pagesHome) Keepers() map[string]string {
	keepers := map[string]string{"": blocklists.CatalogueKeeper}
	sources, err := h.d.library.Sources()
	if err != nil {
		h.d.log.Error("the sources cannot be read", "err", err)
	}
	for _, s := range sources {
		keepers[s.ID] = s.Keeper()
	}
	return keepers
}

// Listed are the lists that name a site under a topic.
func (h pagesHome) Listed(name filter.Name, topic string) []string {
	origins, err := h.d.library.Find(name)
	if err != nil {
		h.d.log.Error("the lists cannot be read", "err", err)
	}
	return listsOf(origins, topic)
}

// listsOf are the sources that have a word on a topic, each once.
func listsOf(origins []blocklists.Origin, topic string) []string {
	var lists []string
	for _, o := range origins {
		if o.Topic == topic && !slices.Contains(lists, o.Source) {
			lists = append(lists, o.Source)
		}
	}
	return lists
}

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
		value, err = vaulted(tx)
		return err
	})
	return value, err
}

func vaulted(tx *store.Tx) ([]byte, error) {
	kept, err := tx.Bucket(pagesBucket).Get([]byte(vaultKey))
	if len(kept) == 0 {
		return nil, err
	}
	return bytes.Clone(kept), err
}

// Save replaces it.
func (v vault) Save(value []byte) error {
	return v.file.Update(func(tx *store.Tx) error { return tx.Bucket(pagesBucket).Put([]byte(vaultKey), value) })
}

// signEverybodyOut alters the accounts of a backup that takes the place of the
// family that is here; see web.Restored.
func signEverybodyOut(before, after *store.Tx) error {
	now, err := vaulted(before)
	if err != nil {
		return err
	}
	value, err := vaulted(after)
	if err == nil && value != nil {
		value, err = web.Restored(value, now)
		if err == nil {
			err = after.Bucket(pagesBucket).Put([]byte(vaultKey), value)
		}
	}
	return err
}
