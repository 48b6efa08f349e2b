package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/treehouse-dns/treehouse/blocklists"
	"github.com/treehouse-dns/treehouse/filter"
	"github.com/treehouse-dns/treehouse/household"
	"github.com/treehouse-dns/treehouse/notify"
	"github.com/treehouse-dns/treehouse/resolver"
	"github.com/treehouse-dns/treehouse/store"
	"github.com/treehouse-dns/treehouse/web"
)

func (a *app) serveCommand() *cobra.Command {
	var sample bool
	c := &cobra.Command{
		Use: "serve", Short: "Answer names until told to stop", Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := a.config()
			if err != nil {
				return err
			}
			d, err := a.newDaemon(cmd.Context(), config, sample)
			if err != nil {
				return err
			}
			return d.run(cmd.Context())
		},
	}
	c.Flags().BoolVar(&sample, "sample", false, "begin with a sample family, if nobody lives here yet")
	return c
}

// daemon is a running Treehouse: the lists, the family, and the server that
// answers by both.
type daemon struct {
	app        *app
	config     *Config
	log        *slog.Logger
	family     *household.Family
	familyFile *store.File
	library    *blocklists.Library
	lists      <-chan struct{} // tells that the library has changed
	live       filter.Live
	server     *resolver.Server
	tally      household.Tally
	clock      *household.Timekeeper
	changed    chan struct{}        // tells that the family has changed
	policies   []filter.Policy      // of compiled; bind's own
	compiled   *household.Household // nil at first
	build      uint64               // the number of the build in force
	edition    atomic.Uint64        // the number of the catalogue it was made with; 0: the built-in one
	without    atomic.Bool          // whether it lacks the names of a list that is gone
	taken      chan struct{}        // tells that other lists are in force

	pages       *web.Server // nil: none
	probes      *web.Probes // nil: there are no pages, or no name for them
	pageSockets []net.Listener
	topics      atomic.Pointer[topicsOf]
	renewed     atomic.Int64 // when the lists were the newest, Unix seconds; 0: only the catalogue
	unwritable  atomic.Bool  // the last change could not be written

	certificate   *certificate // nil: none is configured
	notices       *notify.Queue
	local         resolver.LocalNames
	metricSockets []net.Listener
	wall          wall
}

// newDaemon puts the house together. When it returns, the filter is loaded and
// the sockets are open, in this order.
func (a *app) newDaemon(ctx context.Context, c *Config, sample bool) (*daemon, error) {
	d := &daemon{app: a, config: c, clock: newTimekeeper(a.now, c.Storage.Dir), log: slog.New(slog.NewTextHandler(a.errs, &slog.HandlerOptions{Level: c.Log.Level}))}
	a.now = d.clock.Now
	carriers, err := senders(c, a.now)
	if err != nil {
		return nil, err
	}
	d.notices = notify.NewQueue(nil, func(err error) { d.log.Warn("a notice of a request was not sent", "err", err) }, carriers...)
	if d.family, d.familyFile, err = a.openFamily(c, d.notices); err != nil {
		return nil, err
	}
	if sample {
		if err := d.family.Change(func(h *household.Household) error { h.BeginSample(a.now()); return nil }); err != nil {
			return nil, err
		}
	}
	if d.library, err = a.openLibrary(c); err != nil {
		return nil, err
	}
	d.clock.Confirm(d.family.Household().Settings.Clock) // said before this start, and about no doubt of now
	d.changed, d.taken, d.wall.changed = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{}, 1)
	d.family.Notify(d.changed)
	d.lists = d.library.Watch(ctx) // before they are read, so that nothing after is missed
	if err := d.takeLists(); err != nil {
		return nil, err
	}
	d.openCertificate()
	if !tiny && len(c.Pages.Listen) > 0 && len(c.DNS.OwnNames) > 0 {
		d.probes = web.NewProbes(plain(c.DNS.OwnNames[0]), d.whoAsks, d.clock.Now)
	}
	if d.server, err = resolver.New(d.resolverConfig()); err != nil {
		return nil, err
	}
	d.loadCache()
	if err := d.server.Listen(); err != nil {
		return nil, err
	}
	for _, addr := range d.server.Addrs() {
		d.log.Info("answering", "address", addr)
	}
	overTLS, overHTTPS := d.server.SecretAddrs()
	for _, addr := range overTLS {
		d.log.Info("answering over TLS", "at", addr)
	}
	for _, addr := range overHTTPS {
		d.log.Info("answering over HTTPS", "at", addr)
	}
	if err := d.listenPages(); err != nil { // names matter more than pages
		d.log.Error("the pages are not all served", "err", err)
	}
	if err := d.listenMetrics(); err != nil {
		d.log.Error("metrics are not all served", "err", err)
	}
	if sample {
		d.sayWhatToTry(a.out)
	}
	return d, nil
}

// run works until ctx ends or something that cannot go on breaks.
func (d *daemon) run(ctx context.Context) error {
	outer := ctx
	g, ctx := errgroup.WithContext(outer)
	g.Go(func() error { return d.server.Run(ctx) })
	g.Go(func() error {
		return d.family.Run(ctx, func(err error) { d.log.Error("the family's rules could not be read; the last ones stay", "err", err) })
	})
	g.Go(func() error { return d.keepCurrent(ctx) })
	g.Go(func() error { return d.updateLists(ctx) })
	g.Go(func() error { return d.keepLists(ctx) })
	g.Go(func() error {
		return d.family.KeepCounts(ctx, &d.tally, func(err error) { d.log.Error("counts", "err", err) })
	})
	g.Go(func() error { return d.discover(ctx) })
	g.Go(func() error { return d.notices.Run(ctx) })
	g.Go(func() error { return d.certificate.keep(ctx) })
	g.Go(func() error { return d.keepLocalNames(ctx) })
	g.Go(func() error {
		if err := d.servePages(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("the pages have ended; names are answered", "err", err)
		}
		return nil
	})
	g.Go(func() error { return d.keepAccounts(ctx) })
	g.Go(func() error { return d.serveMetrics(ctx) })
	g.Go(func() error { return d.keepFirewall(ctx) })
	g.Go(func() error { return keepWatchdog(ctx, func() bool { return d.live.Load() != nil }) })
	notifySystemd("READY=1")
	err := g.Wait()
	notifySystemd("STOPPING=1")
	d.saveCache()
	if outer.Err() != nil { // somebody asked for the end; whatever came with it is no news
		d.removeFirewall()
		d.log.Info("stopped")
		return nil
	}
	return err
}

// keepCurrent is the one writer of the snapshot in force: it makes another when
// the family or the lists have changed, in this process or another.
func (d *daemon) keepCurrent(ctx context.Context) error {
	d.bind(d.live.Load().Trie()) // for what changed since it was first bound
	backup := time.NewTicker(backupEvery)
	defer backup.Stop()
	unsaved := false
	defer func() {
		if unsaved {
			d.saveBackup()
		}
	}()
	if !d.clock.Trusted() {
		d.log.Warn("the clock shows less than the last time seen; the stricter hours hold until it is set", "shows", d.clock.Shows(), "last_seen", d.clock.Now())
	}
	clocks := time.NewTicker(lookAtClocks)
	defer clocks.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-clocks.C:
			if d.lookAtClock() {
				d.bind(d.live.Load().Trie())
			}
		case <-d.changed:
			if d.clock.Confirm(d.family.Household().Settings.Clock) {
				d.clockIsRight()
			}
			d.bind(d.live.Load().Trie())
			unsaved = true
		case <-backup.C:
			if unsaved {
				d.saveBackup()
				unsaved = false
			}
		case <-d.lists:
			if err := d.takeLists(); err != nil {
				d.log.Error("the new lists could not be read; the last ones stay", "err", err)
			}
		}
	}
}

// lookAtClocks is how often the clocks are compared: what a false time opens ends
// as soon.
const lookAtClocks = time.Second

// backupEvery is how often a changed family is backed up beside its file, which
// is what a damaged file is made again from. A backup is some tens of KB, and
// flash wears.
const backupEvery = 10 * time.Minute

func (d *daemon) saveBackup() {
	if err := d.family.SaveBackup(); err != nil {
		d.log.Error("the family could not be backed up", "err", err)
	}
}

// takeLists puts the stored lists in force.
func (d *daemon) takeLists() error {
	trie, err := d.library.Snapshot()
	if trie == nil || (err != nil && d.live.Load() != nil) {
		return err // what is in force stays
	}
	if err != nil { // the catalogue filters until the lists are made again
		d.log.Error("only the built-in catalogue is in force", "err", err)
	}
	build, err := d.library.LastBuild()
	if err != nil {
		return err
	}
	if now := d.live.Load(); now != nil && build.Number <= d.build && trie.Names() < now.Trie().Names() {
		return errors.New("the file of the lists was lost and begun anew, with fewer names; import or update the lists, or restart to take it as it is")
	}
	d.build = build.Number
	if err := d.noteRenewal(build); err != nil {
		d.log.Warn("how old the lists are is not known", "err", err)
	}
	d.bind(trie)
	d.edition.Store(build.Catalogue.Number)
	d.without.Store(len(build.Without) > 0)
	d.log.Info("lists in force", "names", trie.Names(), "bytes", trie.Size(), "catalogue", cmp.Or(build.Catalogue.String(), "built-in"))
	d.sayWhatIsGone(trie)
	debug.FreeOSMemory() // the lists that were in force until now, megabytes at once
	select {
	case d.taken <- struct{}{}:
	default: // one is enough
	}
	return nil
}

// sayWhatIsGone warns of rules about services that the lists do not have: a rule
// that does nothing is no rule.
func (d *daemon) sayWhatIsGone(trie *filter.Trie) {
	known := map[string]bool{}
	for id := range trie.Topics() {
		known[trie.Topic(filter.TopicID(id)).ID] = true
	}
	for _, p := range d.family.Household().Policies() {
		for _, r := range p.Topics {
			if r.Topic != "" && !known[r.Topic] {
				known[r.Topic] = true // said once
				d.log.Warn("there are rules about a service that the catalogue does not have; they do nothing", "service", r.Topic)
			}
		}
	}
}

// keepAgain is how often to look whether the copy of the lists is due.
const keepAgain = time.Hour

// keepLists keeps the copy of lists that a reboot would lose. Flash is slow: it
// is nobody else's time.
func (d *daemon) keepLists(ctx context.Context) error {
	if d.config.Storage.KeepLists == 0 {
		return nil
	}
	again := time.NewTicker(keepAgain)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		case <-d.taken:
		}
		switch written, err := d.library.Keep(ctx); {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			d.log.Warn("the lists are not kept for the next start", "err", err)
		case written:
			d.log.Info("the lists are kept for the next start")
		}
	}
}

// bind puts the family's rules and the lists in force together.
func (d *daemon) bind(trie *filter.Trie) {
	h := d.family.Household()
	d.policies, d.compiled = h.PoliciesAfter(d.compiled, d.policies), h
	policies := d.policies
	if !d.clock.Trusted() {
		policies = h.PoliciesWithoutClock()
	}
	d.tally.Bind(h, trie)
	d.live.Store(filter.NewSnapshot(trie, nil, policies))
	d.wall.tell()
}

// discover learns which device sits at which address. The sample family lives on
// loopback, and whatever else is near is not part of it.
func (d *daemon) discover(ctx context.Context) error {
	if !d.config.Devices.Discover || d.family.Household().Settings.Sample {
		return nil
	}
	return d.family.WatchNetwork(ctx, household.NetworkSource{
		Neighbours: household.KernelNeighbours{},
		Leases:     d.config.Devices.Leases,
		Failed:     func(err error) { d.log.Warn("some devices may not be known", "err", err) },
	})
}

const (
	firstUpdate = time.Minute // after start: a router's network may not be up before
	retryUpdate = time.Hour   // after a failure
)

// updateLists asks the sources for news, each time in a process of its own:
// what an update needs of memory ends with it. Lists that were imported by hand are
// compiled again with the catalogue of a newer program.
func (d *daemon) updateLists(ctx context.Context) error {
	every := d.config.Lists.UpdateEvery
	r := d.config.Lists.Catalogue
	last, err := d.library.LastBuild()
	if err != nil {
		return err
	}
	if every == 0 || len(d.config.Lists.Sources) == 0 && r.Path == "" && r.URL == "" && last.Number == 0 {
		return nil
	}
	for wait := firstUpdate; ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		args := []string{"lists", "update", "--scheduled", "--storage-dir", d.config.Storage.Dir}
		if d.app.configFile != "" {
			args = append(args, "--config", d.app.configFile)
		}
		self, err := os.Executable()
		if err != nil {
			d.log.Error("the lists are not updated by themselves; `treehouse lists update` does it", "err", err)
			return nil
		}
		wait = every
		if out, err := exec.CommandContext(ctx, self, args...).CombinedOutput(); err != nil && ctx.Err() == nil {
			d.log.Warn("the lists could not be updated; the last ones stay", "err", err, "output", string(out))
			wait = min(every, retryUpdate)
		}
		last, err := d.library.LastBuild()
		if err == nil {
			err = d.noteRenewal(last) // sources may have said that they have nothing new
		}
		if err != nil {
			d.log.Warn("how old the lists are is not known", "err", err)
		}
	}
}

func (d *daemon) resolverConfig() resolver.Config {
	c := d.config
	out := resolver.Config{
		Listen:       c.DNS.Listen,
		Strategy:     map[string]resolver.Strategy{"in-order": resolver.InOrder, "fastest": resolver.Fastest, "parallel": resolver.Parallel}[c.Upstream.Strategy],
		CacheBytes:   int(c.Cache.Size),
		BlockMode:    map[string]resolver.BlockMode{"zero": resolver.BlockNull, "nxdomain": resolver.BlockNXDOMAIN, "refused": resolver.BlockRefused}[c.DNS.Blocked],
		BlockTTL:     uint32(c.DNS.BlockedTTL / time.Second),
		Networks:     c.DNS.Networks,
		OwnNames:     c.DNS.OwnNames,
		OwnAddresses: ownAddresses(c),
		Local:        &d.local,
		LocalDomains: c.Local.Domains,

		RebindingAllowed: c.Upstream.RebindingAllowed,

		Filter:   &d.live,
		Clients:  d.family,
		Observer: &d.tally,
		Journal:  d.family,
		Logger:   d.log,
		Now:      d.app.now,
	}
	if !tiny && d.probes != nil {
		out.Probes = d.probes
	}
	if !tiny && d.certificate != nil {
		out.Secret = resolver.Secret{TLS: c.DNS.ListenTLS, HTTPS: c.DNS.ListenHTTPS, Certificate: d.certificate.current, Tokens: d.family}
	}
	for _, server := range c.Upstream.Servers {
		if reachesUs(server, c.DNS.Listen) { // this machine asks us, and we would ask ourselves
			d.log.Warn("an upstream that is this resolver itself is left out", "server", server)
			continue
		}
		out.Upstreams = append(out.Upstreams, resolver.Upstream{Addr: server})
	}
	if len(out.Upstreams) == 0 {
		d.log.Warn("there is no upstream to ask; only blocked and own names are answered", "remedy", "set upstream.servers")
	}
	for _, r := range c.Upstream.Routes {
		out.Routes = append(out.Routes, resolver.Route{
			Domains: []filter.Name{r.Domain}, Upstreams: []resolver.Upstream{{Addr: r.Server}}, Private: true,
		})
	}
	return out
}

// ownAddresses are where dns.own_names lead.
func ownAddresses(c *Config) []netip.Addr {
	own := slices.Clone(c.DNS.OwnAddresses)
	if len(own) > 0 {
		return own
	}
	for _, l := range slices.Concat(c.Pages.Listen, c.Pages.ListenTLS) {
		if !l.Addr().IsUnspecified() {
			own = append(own, l.Addr())
			continue
		}
		addrs, err := net.InterfaceAddrs()
		if err != nil {
			continue // the pages are still to be had by their address
		}
		for _, a := range addrs {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().IsPrivate() && prefix.Addr().Is4() == l.Addr().Is4() {
				own = append(own, prefix.Addr())
			}
		}
	}
	return own
}

// reachesUs tells whether a query to an address comes back to one that we listen
// on, a wildcard among them.
func reachesUs(server netip.AddrPort, listen []netip.AddrPort) bool {
	return slices.ContainsFunc(listen, func(l netip.AddrPort) bool {
		if l == server {
			return true
		}
		return l.Port() == server.Port() && l.Addr().IsUnspecified() && isOurs(server.Addr())
	})
}

// isOurs tells whether an address is one of this machine's.
func isOurs(addr netip.Addr) bool {
	if addr.IsLoopback() || addr.IsUnspecified() {
		return true
	}
	own, err := net.InterfaceAddrs()
	return err == nil && slices.ContainsFunc(own, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr() == addr
	})
}

// sayWhatToTry shows a newcomer that one name has several answers.
func (d *daemon) sayWhatToTry(w io.Writer) {
	addr := d.server.Addrs()[0]
	if addr.Addr().IsUnspecified() {
		addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), addr.Port())
	}
	fmt.Fprintf(w, `
Treehouse answers on %[1]s. A sample family lives here: Ana (9) on 127.0.0.2,
Ben (14) on 127.0.0.3 and Maria, their mother, on 127.0.0.4. Try in another terminal:

  dig @%[2]s -p %[3]d -b 127.0.0.2 tiktok.com     # Ana: 0.0.0.0, filtered
  dig @%[2]s -p %[3]d -b 127.0.0.3 tiktok.com     # Ben: the upstream's answer
  ./treehouse explain tiktok.com --person Ana --at "Sat 21:30" --storage-dir %[4]s

So that this holds whenever you try it, their nights begin after the first day.

`, addr, addr.Addr(), addr.Port(), d.config.Storage.Dir)
	if len(d.pageSockets) > 0 {
		fmt.Fprintf(w, "The pages are at http://%s", d.pageSockets[0].Addr())
		if code := d.pages.ClaimCode(); code != "" {
			fmt.Fprintf(w, "; the claim code is %s", code)
		}
		fmt.Fprint(w, ".\n\n")
	}
}
